import type { Locks } from "@holdfast/lock"

export interface RenewedLease {
  /** The id of the lease. */
  readonly id: string
  readonly keys: readonly string[]
  /** How long it lasts without renewal, in ms. */
  readonly ttl: number
  /** Called before each renewal: whether the lock is still wanted. If not, it is released. */
  isWanted(): boolean
  /** Called when the lock ended before it was released. */
  onLost(keys: readonly string[]): void
}

/** Renews locks with a short ttl, so that a process which dies frees them soon. */
export class LeaseRenewer {
  readonly #locks: Locks
  readonly #kept = new Map<string, { keys: Set<string>; timer: NodeJS.Timeout }>()

  constructor(locks: Locks) {
    this.#locks = locks
  }

  /** Keys that are already renewed under the same id are renewed too, by the terms of the new lock. */
  keep(lock: RenewedLease): void {
    const { id, ttl } = lock
    const keys = new Set([...(this.#kept.get(id)?.keys ?? []), ...lock.keys])
    this.stop(id)
    const timer = setInterval(() => this.#look(lock, keys), ttl / 3)
    timer.unref?.()
    this.#kept.set(id, { keys, timer })
  }

  /** Stops renewing `keys`; without them, all keys under `id`. */
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

  #look({ id, ttl, isWanted, onLost }: RenewedLease, keys: ReadonlySet<string>): void {
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
      // Where the store fails, it ends by its ttl.
      this.#locks.releaseById(id, all).catch(() => undefined)
    }
  }
}
