import type { KeyState, LeaseState, WaiterState } from "../store.js"
import type { ScriptReply } from "./script-client.js"

type Described = [ref: string, id: string, owner: string, age: unknown, expiresIn: unknown, ...Lists]
type Lists = [keys: (string | null)[], numbers: unknown[], number: unknown, keptFor?: string[]]

/** The reply of the script's `inspect` as states of keys. */
export function describe(reply: ScriptReply): KeyState[] {
  const [, held, leases, waiting] = reply as [unknown, [string, string[]][], Described[], Described[]]
  const byRef = new Map(leases.map((it) => [it[0], leaseStates(it)]))
  const queues = new Map(held.map(([key, refs]) => [key, { refs, waiters: [] as WaiterState[] }]))
  const idsHeld = heldWhileWaiting(leases)
  for (const request of waiting.sort((a, b) => Number(a[7]) - Number(b[7]))) {
    const holds = idsHeld.get(request[0])
    const state = { ...waiterState(request), ...(holds && { holds }) }
    for (const key of state.keys) queues.get(key)?.waiters.push(state)
  }
  return [...queues].map(([key, { refs, waiters }]) => ({
    key,
    holders: refs.flatMap((ref) => byRef.get(ref)?.get(key) ?? []),
    waiters,
  }))
}

/** The ids of the leases that each request holds. Of those that wait no longer, some may still be noted at a lease. */
function heldWhileWaiting(leases: readonly Described[]): Map<string, string[]> {
  const ids = new Map<string, string[]>()
  for (const [, id, , , , , , , keptFor = []] of leases)
    for (const ref of keptFor) ids.set(ref, [...(ids.get(ref) ?? []), id])
  return ids
}

function waiterState([, id, owner, age, , keys]: Described): WaiterState {
  return { id, owner, keys: keys.filter((key) => key !== null), age: Number(age) / 1_000 }
}

/** The state of the lease on each of its keys. */
function leaseStates(lease: Described): Map<string | null, LeaseState> {
  const [, , , , expiresIn, keys, numbers] = lease
  const left = Number(expiresIn)
  const state = { ...waiterState(lease), expiresIn: left < 0 ? Number.POSITIVE_INFINITY : left / 1_000 }
  return new Map(keys.map((key, i) => [key, { ...state, token: BigInt(numbers[i] as number) }]))
}
