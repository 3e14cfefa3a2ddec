interface Waiting<T> {
  item: T
  resolve: () => void
  reject: (error: Error) => void
}

/**
 * Does work on many things at once: what is added while the work is at others waits, and is worked on together
 * afterwards. Where the work on several fails, each is tried by itself, so that one bad thing fails alone.
 */
export class Gatherer<T> {
  readonly #work: (items: T[]) => Promise<void>
  #waiting: Waiting<T>[] = []
  #isAtWork = false

  constructor(work: (items: T[]) => Promise<void>) {
    this.#work = work
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
      const together = this.#waiting
      this.#waiting = []
      await this.#workOn(together)
    }
    this.#isAtWork = false
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
