import type { KeyState } from "../store.js"
import type { Reply } from "./connection.js"

type Described = [ref: string, id: string, owner: string, age: unknown, expiresIn: unknown, ...Lists]
type Lists = [keys: (string | null)[], numbers: unknown[], number: unknown]

/** What `inspect` of the script returns, in the words of the store. */
export function describe(reply: Reply): KeyState[] {
  const [, held, leases, waiting] = reply as [unknown, [string, string[]][], Described[], Described[]]
  const byRef = new Map(leases.map((it) => [it[0], it]))
  const queues = new Map(held.map(([key, refs]) => [key, { refs, waiters: [] as Described[] }]))
  for (const request of waiting.sort((a, b) => Number(a[7]) - Number(b[7])))
    for (const key of request[5]) if (key) queues.get(key)?.waiters.push(request)
  return [...queues].map(([key, { refs, waiters }]) => ({
    key,
    holders: refs.flatMap((ref) => {
      const lease = byRef.get(ref)
      return lease ? [leaseState(lease, key)] : []
    }),
    waiters: waiters.map(waiterState),
  }))
}

function waiterState([, id, owner, age, , keys]: Described) {
  return { id, owner, keys: keys.filter((key) => key !== null), age: Number(age) / 1_000 }
}

function leaseState(lease: Described, key: string) {
  const [, , , , expiresIn, keys, numbers] = lease
  const left = Number(expiresIn)
  return {
    ...waiterState(lease),
    token: BigInt(numbers[keys.indexOf(key)] as number),
    expiresIn: left < 0 ? Number.POSITIVE_INFINITY : left / 1_000,
  }
}
