import { LockTable } from "./lock-table.js"
import { type Entry, SessionState } from "./queue.js"
import type { Batch, BatchResult, KeyState, Session, Store, WaiterState } from "./store.js"

/**
 * A store for one process. Its rules are in `lock-table.ts`, and are those of every other store.
 *
 * @param options.clock the time in ms, which must not go back; for tests.
 */
export function memoryStore(options: { clock?: (() => number) | undefined } = {}): Store {
  const table = new LockTable(options.clock ?? (() => performance.now()))
  return { connect: (wake) => new MemorySession(table, wake) }
}

class MemorySession implements Session {
  readonly #table: LockTable
  readonly #state: SessionState
  constructor(table: LockTable, wake: (within: number) => void) {
    this.#table = table
    this.#state = new SessionState(wake)
  }

  execute(batch: Batch): BatchResult {
    return this.#table.execute(this.#state, batch)
  }

  inspect(): KeyState[] {
    const { now, queues } = this.#table.inspect()
    const described = new Map<Entry, WaiterState>()
    const describe = (entry: Entry) => {
      const { id, owner, keys } = entry.request
      const known = described.get(entry)
      const state = known ?? {
        id,
        owner,
        age: now - entry.since,
        keys: keys.filter((key) => queues.get(key)?.has(entry)),
        ...holdsOf(entry),
      }
      described.set(entry, state)
      return state
    }
    return [...queues].map(([key, { holders, waiters }]) => ({
      key,
      holders: holders.map((entry) => ({ ...describe(entry), ...leaseOf(entry, key, now) })),
      waiters: waiters.map(describe),
    }))
  }

  forceRelease(key: string): boolean {
    return this.#table.forceRelease(key)
  }

  close(): void {
    this.#table.closeSession(this.#state)
  }
}

function holdsOf({ keeps = [] }: Entry) {
  const held = keeps.filter(({ left }) => left > 0)
  return held.length > 0 ? { holds: held.map(({ request }) => request.id) } : undefined
}

function leaseOf(entry: Entry, key: string, now: number) {
  const expiresIn = entry.slot < 0 ? Number.POSITIVE_INFINITY : entry.due - now
  return { token: BigInt(entry.numberOn(key)), expiresIn }
}
