import { LockStoreError } from "./errors.js"
import type { Answer, Question, Session, Store } from "./store.js"

/** The way to a store: opened when it is first needed, and again after it could not be. */
export class Connection {
  readonly #store: Store
  readonly #wake: (within: number) => void
  #opening: Promise<Session> | undefined
  #session: Session | undefined

  constructor(store: Store, wake: (within: number) => void) {
    this.#store = store
    this.#wake = wake
  }

  get isOpen(): boolean {
    return this.#session !== undefined
  }

  async open(): Promise<Session> {
    try {
      this.#opening ??= Promise.resolve(this.#store.connect(this.#wake))
      this.#session = await this.#opening
      return this.#session
    } catch (error) {
      this.#opening = undefined
      throw new LockStoreError(error)
    }
  }

  ask(question: Question): Answer | Promise<Answer> {
    return this.#session ? this.#session.ask(question) : this.open().then((session) => session.ask(question))
  }

  async close(): Promise<void> {
    await this.#session?.close()
  }
}
