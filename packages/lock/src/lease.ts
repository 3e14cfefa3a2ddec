import type { LockClosedError, LockLostError } from "./errors.js"

/** A granted lock. It renews itself until it is released, unless it was told not to. */
export interface Lease extends AsyncDisposable {
  /** Without duplicates. */
  readonly keys: readonly string[]
  readonly owner: string
  /** Names the lease in every process; `inspect()` shows it. */
  readonly id: string
  /**
   * The fencing token: greater than the token of every earlier lease of these keys. A lease that re-enters shares
   * the token of the lease that it re-enters. Where it re-enters some of its keys only, they differ: see `tokenOf`.
   */
  readonly token: bigint
  /** The fencing token for one of the keys. Throws a `RangeError` for a key that isn't. */
  tokenOf(key: string): bigint
  /** Aborts when the lease is lost, no later than it expires; the reason is its `loss`. */
  readonly signal: AbortSignal
  /** Why the lease ended before it was released, if it did. Looks at the clock, so that it is right after a blocked event loop. */
  readonly loss: LockLostError | LockClosedError | undefined
  /**
   * Makes the lease end at `ttl` ms from now, by default its own ttl, if it isn't renewed; later renewals keep to it.
   * Throws `LockLostError` where the lease is lost or released, `LockStoreError` where the store fails.
   */
  extend(ttl?: number): Promise<void>
  /** Frees the keys. False where the lease was lost or released before. Throws `LockStoreError` where the store fails. */
  release(): Promise<boolean>
  /** Releases the lease at the end of an `await using` block. Throws its `loss` where it was lost: the block was not alone. */
  [Symbol.asyncDispose](): Promise<void>
}
