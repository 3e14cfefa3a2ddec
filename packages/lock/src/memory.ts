import { type Entry, Party } from "./queue.js"
import { Space } from "./space.js"
import type { Answer, KeyState, Question, Session, Store, WaiterState } from "./store.js"

/**
 * A store for one process. Its rules are in `space.ts`, and are those of every other store.
 *
 * @param options.clock the time in ms, which must not go back; for tests.
 */
export function memoryStore(options: { clock?: () => number } = {}): Store {
  const space = new Space(options.clock ?? (() => performance.now()))
  return { connect: (wake) => new MemorySession(space, wake) }
}

class MemorySession implements Session {
  readonly #space: Space
  readonly #party: Party
  constructor(space: Space, wake: (within: number) => void) {
    this.#space = space
    this.#party = new Party(wake)
  }

  ask(question: Question): Answer {
    return this.#space.ask(this.#party, question)
  }

  inspect(): KeyState[] {
    const { now, queues } = this.#space.look()
    const described = new Map<Entry, WaiterState>()
    const describe = (entry: Entry) => {
      const { id, owner, keys } = entry.request
      const known = described.get(entry)
      const state = known ?? {
        ...{ id, owner, age: now - entry.since },
        keys: keys.filter((key) => queues.get(key)?.has(entry)),
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
    return this.#space.forceRelease(key)
  }

  close(): void {
    this.#space.disconnect(this.#party)
  }
}

function leaseOf(entry: Entry, key: string, now: number) {
  const expiresIn = entry.slot < 0 ? Number.POSITIVE_INFINITY : entry.due - now
  return { token: BigInt(entry.numberOn(key)), expiresIn }
}
