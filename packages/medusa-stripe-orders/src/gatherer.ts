interface Waiting<T> {
  item: T
  resolve: () => void
  reject: (error: Error) => void
}

const MOST_TOGETHER = 100

/**
 * Does work on many things at once: what is added while the work is at others waits, and is worked on together
 * afterwards. Where the work on several fails, each is tried by itself, so that one bad thing fails alone.
 */
export class Gatherer<T> {
  readonly #work: (items: T[]) => Promise<void>
  readonly #keyOf: (item: T) => unknown
  #waiting: Waiting<T>[] = []
  #isAtWork = false

  /** @param keyOf things of one key are worked on one after the other, in the order in which they came */
  constructor(work: (items: T[]) => Promise<void>, keyOf: (item: T) => unknown = (item) => item) {
    this.#work = work
    this.#keyOf = keyOf
  }

  /** Resolves when the work on `item` is done. Throws what the work on it throws. */
  async add(item: T): Promise<void> {
    const done = new Promise<void>((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject })
    })
    if (!this.#isAtWork) {
      this.#workThrough()
    }
    await done
  }

  async #workThrough(): Promise<void> {
    this.#isAtWork = true
    while (this.#waiting.length > 0) {
      await this.#workOn(this.#takeNext())
    }
    this.#isAtWork = false
  }

  #takeNext(): Waiting<T>[] {
    const keys = new Set<unknown>()
    const next: Waiting<T>[] = []
    const later: Waiting<T>[] = []
    for (const one of this.#waiting) {
      const key = this.#keyOf(one.item)
      const isNext = next.length < MOST_TOGETHER && !keys.has(key)
      ;(isNext ? next : later).push(one)
      keys.add(key)
    }
    this.#waiting = later
    return next
  }

  async #workOn(together: Waiting<T>[]): Promise<void> {
    try {
      await this.#work(together.map(({ item }) => item))
      for (const { resolve } of together) {
        resolve()
      }
    } catch (error) {
      if (together.length === 1) {
        together[0]?.reject(error as Error)
        return
      }
      for (const one of together) {
        await this.#workOn([one])
      }
    }
  }
}
