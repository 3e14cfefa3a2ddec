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

/** What `work` gives, or an error where it takes longer than `ms`; `who` is the error's subject. */
export async function within<T>(ms: number, work: Promise<T>, who?: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`${who ? `${who} gave ` : ""}no answer within ${ms / 1000} s`)),
      ms,
    )
    timer.unref()
  })
  return await Promise.race([work, late]).finally(() => clearTimeout(timer))
}
