interface Taken {
  readonly id: string
  /** From then on no release is expected for it, on the monotonic clock. */
  readonly forgottenAt: number
}

/** How long an expired lock is remembered, in ms at least; else for as long again as its ttl. */
const REMEMBERED = 60_000

/**
 * The ids of the locks that this process acquired without an owner: a release without one ends the oldest, even if it
 * has expired, so that a late release doesn't free the lock of the next.
 */
export class Ownerless {
  readonly #byKey = new Map<string, Taken[]>()
  #sweepAt = 1_000

  /** @param ttl how long the lock lasts, in ms. */
  remember(key: string, id: string, ttl: number): void {
    const forgottenAt = performance.now() + ttl + Math.max(ttl, REMEMBERED)
    this.#byKey.set(key, [...this.#expected(key), { id, forgottenAt }])
    if (this.#byKey.size > this.#sweepAt) this.#sweep()
  }

  /** The id of the lock that a release of `key` ends. */
  take(key: string): string | undefined {
    const [first, ...later] = this.#expected(key)
    if (later.length > 0) this.#byKey.set(key, later)
    else this.#byKey.delete(key)
    return first?.id
  }

  forgetAll(): void {
    this.#byKey.clear()
  }

  #expected(key: string): Taken[] {
    const now = performance.now()
    return (this.#byKey.get(key) ?? []).filter(({ forgottenAt }) => forgottenAt > now)
  }

  /** Without it, keys that are never locked again would stay in the map. */
  #sweep(): void {
    for (const key of [...this.#byKey.keys()]) if (this.#expected(key).length === 0) this.#byKey.delete(key)
    this.#sweepAt = Math.max(this.#byKey.size * 2, 1_000)
  }
}
