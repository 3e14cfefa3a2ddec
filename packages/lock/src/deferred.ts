/** A value that may come later. A store in this process settles it at once, so that no caller has to await a promise. */
export class Deferred<T> {
  #value: T | undefined
  #error: unknown
  #promise: { resolve(value: T): void; reject(error: unknown): void } | undefined

  get pending(): boolean {
    return this.#value === undefined && this.#error === undefined
  }

  resolve(value: T): void {
    this.#value = value
    this.#promise?.resolve(value)
  }

  reject(error: Error): void {
    this.#error = error
    this.#promise?.reject(error)
  }

  /** The value, or a promise of it if it isn't there yet. Throws what it was rejected with. To be called once. */
  take(): T | Promise<T> {
    if (this.#value !== undefined) return this.#value
    if (this.#error !== undefined) throw this.#error
    return new Promise((resolve, reject) => {
      this.#promise = { resolve, reject }
    })
  }
}
