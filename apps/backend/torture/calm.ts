/** Some work may be under way at once, or one that must be alone. */
export class Calm {
  #underWay = 0
  #alone: Promise<unknown> | undefined
  #whenIdle: (() => void)[] = []

  async among<T>(work: () => Promise<T>): Promise<T> {
    while (this.#alone) await this.#alone
    this.#underWay += 1
    try {
      return await work()
    } finally {
      this.#underWay -= 1
      if (this.#underWay === 0) for (const resolve of this.#whenIdle.splice(0)) resolve()
    }
  }

  async alone<T>(work: () => Promise<T>): Promise<T> {
    while (this.#alone) await this.#alone
    const run = this.#idle()
      .then(work)
      .finally(() => {
        this.#alone = undefined
      })
    this.#alone = run.catch(() => {})
    return await run
  }

  #idle(): Promise<void> {
    if (this.#underWay === 0) return Promise.resolve()
    return new Promise((resolve) => this.#whenIdle.push(resolve))
  }
}
