/** Sleep that ends early when woken; a wake that comes before the sleep counts. */
export class Waker {
  #isWoken = false
  #wake = () => {}

  wake(): void {
    this.#isWoken = true
    this.#wake()
  }

  async sleep(ms: number): Promise<void> {
    if (!this.#isWoken) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms)
        timer.unref()
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
    this.#isWoken = false
  }
}

/** Resolves after `ms`, and keeps no process alive for it. */
export function timeout(ms: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, ms).unref())
}
