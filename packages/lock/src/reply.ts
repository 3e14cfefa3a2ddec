/** What a question comes to. A store in this process answers at once, so that nobody has to wait for a promise. */
export class Reply<T> {
  #answer: T | undefined
  #error: unknown
  #promise: { resolve(answer: T): void; reject(error: unknown): void } | undefined

  get pending(): boolean {
    return this.#answer === undefined && this.#error === undefined
  }

  resolve(answer: T): void {
    this.#answer = answer
    this.#promise?.resolve(answer)
  }

  reject(error: Error): void {
    this.#error = error
    this.#promise?.reject(error)
  }

  /** The answer, or a promise of it if it isn't there yet. Throws what it was rejected with. To be asked for once. */
  take(): T | Promise<T> {
    if (this.#answer !== undefined) return this.#answer
    if (this.#error !== undefined) throw this.#error
    return new Promise((resolve, reject) => {
      this.#promise = { resolve, reject }
    })
  }
}
