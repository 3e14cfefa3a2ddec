import type { KeyState, LeaseState, WaiterState } from "../store.js"

/** A row of the queue, as `inspect` in commands.ts returns it. */
export interface Row {
  key: string
  number: number
  waits: boolean
  token: number
  id: string
  owner: string
  age: number
  expiresIn: number | null
  holds: string[] | null
}

export function describe(rows: readonly Row[]): KeyState[] {
  const keys = new Map<number, string[]>()
  for (const { number, key } of rows) {
    const its = keys.get(number)
    if (its) its.push(key)
    else keys.set(number, [key])
  }
  const states = new Map<string, KeyState & { holders: LeaseState[]; waiters: WaiterState[] }>()
  for (const row of rows) {
    const state = states.get(row.key) ?? { key: row.key, holders: [], waiters: [] }
    states.set(row.key, state)
    const { id, owner, age } = row
    const who = { id, owner, age, keys: keys.get(row.number) ?? [] }
    if (row.waits) state.waiters.push({ ...who, ...(row.holds && { holds: row.holds }) })
    else
      state.holders.push({
        ...who,
        token: BigInt(row.token),
        expiresIn: row.expiresIn ?? Number.POSITIVE_INFINITY,
      })
  }
  return [...states.values()]
}
