import type { Locks } from "@holdfast/lock"

export interface Kept {
  /** Whose lock it is. */
  readonly id: string
  readonly keys: readonly string[]
  /** How long it lasts without renewal, in ms. */
  readonly ttl: number
  /** Asked before each renewal: whether the lock is wanted still. If not, it is released. */
  isWanted(): boolean
  /** Told when the lock ended before it was released. */
  onLost(keys: readonly string[]): void
}

/** Keeps locks alive that end soon by themselves, so that a process which dies frees them soon. */
export class Keeper {
  readonly #locks: Locks
  readonly #kept = new Map<string, { keys: Set<string>; timer: NodeJS.Timeout }>()

  constructor(locks: Locks) {
    this.#locks = locks
  }

  /** What is kept under the same id already is kept too, and by the rules of the new one. */
  keep(lock: Kept): void {
    const { id, ttl } = lock
    const keys = new Set([...(this.#kept.get(id)?.keys ?? []), ...lock.keys])
    this.stop(id)
    const timer = setInterval(() => this.#look(lock, keys), ttl / 3)
    timer.unref()
    this.#kept.set(id, { keys, timer })
  }

  /** Keeps none of `keys` any longer; without them, nothing under `id`. */
  stop(id: string, keys?: readonly string[]): void {
    const kept = this.#kept.get(id)
    if (!kept) return
    for (const key of keys ?? []) kept.keys.delete(key)
    if (keys && kept.keys.size > 0) return
    clearInterval(kept.timer)
    this.#kept.delete(id)
  }

  stopAll(): void {
    for (const id of [...this.#kept.keys()]) this.stop(id)
  }

  #look({ id, ttl, isWanted, onLost }: Kept, keys: ReadonlySet<string>): void {
    const all = [...keys]
    if (isWanted()) {
      const isKept = () => this.#kept.get(id)?.keys === keys && all.length === keys.size
      this.#locks.renewById(id, all, ttl).then(
        (held) => {
          if (held || !isKept()) return
          this.stop(id)
          onLost(all)
        },
        // The next renewal may reach the store again.
        () => undefined,
      )
    } else {
      this.stop(id)
      // Where the store can't be asked, it ends by its ttl.
      this.#locks.releaseById(id, all).catch(() => undefined)
    }
  }
}
