import { asStoreError } from "./errors.js"
import type { PendingBatch } from "./pending-batch.js"
import type { BatchResult, Session, Store } from "./store.js"

/** A session of a store that is opened when it is first needed, and again after opening has failed. */
export class LazySession {
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
      throw asStoreError(error)
    }
  }

  execute(batch: PendingBatch): BatchResult | Promise<BatchResult> {
    return this.#session
      ? this.#put(batch, this.#session)
      : this.open().then((session) => this.#put(batch, session))
  }

  #put(batch: PendingBatch, session: Session): BatchResult | Promise<BatchResult> {
    // Trust is reckoned from before the batch is sent: the store's ttl starts at some moment after it. To connect
    // comes before both, and may take longer than a short lease lasts.
    batch.sentAt = performance.now()
    return session.execute(batch)
  }

  /** A session that is still being opened is closed once it is open; that is not waited for where there is no time. */
  async close(within: number): Promise<void> {
    const closed = this.#opening?.then(
      (session) => session.close(within),
      () => undefined,
    )
    if (this.#session || within > 0) await closed
  }
}
