import { tell } from "./circle-text.js"
import type { CircleMember } from "./store.js"

/** The stable part of an error: compare this, not the message. */
export type LockErrorCode =
  | "LOCK_TIMEOUT"
  | "LOCK_DEADLOCK"
  | "LOCK_LOST"
  | "LOCK_ABORTED"
  | "LOCK_CLOSED"
  | "LOCK_STORE_FAILED"
  | "LOCK_INVALID_ARGUMENT"
  | "LOCK_NOT_SET_UP"
  | "LOCK_FENCED"

/** Marks what is an error of this package, whichever of its copies has made it. */
const BRAND = Symbol.for("@holdfast/lock.error")

/** What every error of this package extends. `code` never changes; `cause` is what lay behind it, if anything did. */
export abstract class LockError extends Error {
  abstract readonly code: LockErrorCode

  get [BRAND](): true {
    return true
  }
}

/** The ESM and the CommonJS build, loaded side by side, are two classes: an error of either is a `LockError`. */
Object.defineProperty(LockError, Symbol.hasInstance, {
  value(this: unknown, error: unknown): boolean {
    if (this !== LockError) return Function.prototype[Symbol.hasInstance].call(this, error)
    return typeof error === "object" && error !== null && BRAND in error
  },
})

/** The keys stayed busy for all of the request's timeout. Nothing of it is left in the queue. */
export class LockTimeoutError extends LockError {
  override readonly name = "LockTimeoutError"
  readonly code = "LOCK_TIMEOUT"
  constructor(
    readonly keys: readonly string[],
    /** The request's timeout, in ms. */
    readonly timeout: number,
    /** The key that was busy, where the store could tell. */
    readonly busyKey: string | undefined,
  ) {
    super(
      `Could not lock ${list(keys)} within ${shown(timeout)} ms${busyKey ? `: ${quote(busyKey)} is busy` : ""}`,
    )
  }
}

/**
 * The request would have waited for itself, so it was not queued: what it would have waited for waits, at once or through
 * other requests, for a lease that its caller holds. None of them goes on before the caller releases that.
 */
export class LockDeadlockError extends LockError {
  override readonly name = "LockDeadlockError"
  readonly code = "LOCK_DEADLOCK"
  constructor(
    readonly keys: readonly string[],
    /** This request first. Each waits for the next, and the last for this one. */
    readonly circle: readonly CircleMember[],
  ) {
    super(`Could not lock ${list(keys)} without a deadlock: ${tell(circle, quote)}`)
  }
}

/** The lease ended before its holder released it: it expired, or was taken away. */
export class LockLostError extends LockError {
  override readonly name = "LockLostError"
  readonly code = "LOCK_LOST"
  constructor(
    readonly keys: readonly string[],
    why: string,
    options?: ErrorOptions,
  ) {
    super(`Lost the lock on ${list(keys)}: ${why}`, options)
  }
}

/** The caller's `AbortSignal` ended the wait; `cause` is the signal's reason. */
export class LockAbortedError extends LockError {
  override readonly name = "LockAbortedError"
  readonly code = "LOCK_ABORTED"
  constructor(
    readonly keys: readonly string[],
    reason: unknown,
  ) {
    super(`Stopped waiting for ${list(keys)}`, { cause: reason })
  }
}

/** `close()` was called: before this call, while it waited, or while the lease was held. */
export class LockClosedError extends LockError {
  override readonly name = "LockClosedError"
  readonly code = "LOCK_CLOSED"
  constructor() {
    super("These locks have been closed")
  }
}

/** The store failed; `cause` is its own error. A lease may still be held, until its ttl ends. */
export class LockStoreError extends LockError {
  override readonly name = "LockStoreError"
  readonly code = "LOCK_STORE_FAILED"
  constructor(cause: unknown) {
    super(`The lock store failed: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
}

/** A key, owner, ttl or timeout that is invalid. The store was not called. */
export class LockArgumentError extends LockError {
  override readonly name = "LockArgumentError"
  readonly code = "LOCK_INVALID_ARGUMENT"
}

/** A `LockError` stays as it is: a missing table needs another remedy than a server that is down. */
export function asStoreError(error: unknown): LockError {
  if (isUnanswered(error)) return asStoreError(error.cause)
  return error instanceof LockError ? error : new LockStoreError(error)
}

/** Whether it is an `UnansweredError` of store.ts. */
export function isUnanswered(error: unknown): error is Error {
  return (error as { isUnanswered?: unknown } | undefined)?.isUnanswered === true
}

/** The store is not set up; the message says what to do. */
export class LockSetupError extends LockError {
  override readonly name = "LockSetupError"
  readonly code = "LOCK_NOT_SET_UP"
  constructor(
    message: string,
    /** The SQL to run, where SQL is needed. */
    readonly sql?: string,
    options?: ErrorOptions,
  ) {
    super(message, options)
  }
}

/** A writer with a newer lease of the key has been here: the write must not happen. */
export class LockFencedError extends LockError {
  override readonly name = "LockFencedError"
  readonly code = "LOCK_FENCED"
  constructor(
    readonly key: string,
    readonly token: bigint,
    /** The newest token that was seen for the key. */
    readonly newest: bigint,
  ) {
    super(`The token ${token} for ${quote(key)} is older than ${newest}, which has been seen`)
  }
}

/** In whole ms, where there are any. */
function shown(ms: number): number {
  return ms < 1 ? ms : Math.round(ms)
}

function list(keys: readonly string[]): string {
  const shown = keys.slice(0, 5).map(quote).join(", ")
  return keys.length > 5 ? `${shown} and ${keys.length - 5} more` : shown
}

function quote(key: string): string {
  return JSON.stringify(key.length > 80 ? `${key.slice(0, 80)}…` : key)
}
