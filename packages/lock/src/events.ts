import {
  type LockAbortedError,
  LockArgumentError,
  type LockClosedError,
  type LockDeadlockError,
  type LockError,
  type LockLostError,
} from "./errors.js"

/** The request or lease of an event. */
export interface LockEvent {
  readonly keys: readonly string[]
  readonly owner: string
  /** Names the request, and the lease that it becomes: what belongs together has the same id. */
  readonly id: string
}

export interface WaitEvent extends LockEvent {
  /** How long the request had waited, in ms, its way to the store and back included. */
  readonly waited: number
}

export interface GrantEvent extends WaitEvent {
  readonly token: bigint
  /** Whether this process keeps the lease, and reports its end. False for `acquireById`. */
  readonly kept: boolean
}

export interface HoldEvent extends LockEvent {
  readonly token: bigint
  /** How long the lease had been held, in ms. */
  readonly held: number
}

/**
 * Hears what happens to the requests and leases of one `Locks`, as it happens: for metrics. What isn't listened for
 * costs nothing. Each `requested` is followed by one of `granted`, `timedOut`, `deadlocked`, `aborted` and `failed`; each
 * `granted` of a lease that is `kept` by one of `released` and `lost`.
 *
 * A listener is called in the middle of the work, so it should be short. What it throws changes nothing for the
 * lock: the first time it is reported as a warning of the process.
 */
export interface LockListener {
  /** Keys were requested, by valid arguments. */
  requested?(event: LockEvent): void
  granted?(event: GrantEvent): void
  /** The keys stayed busy for all of `timeout`, in ms; 0 where the request only tried once. */
  timedOut?(event: WaitEvent & { readonly timeout: number }): void
  /** The request would have waited for itself, and was refused. */
  deadlocked?(event: WaitEvent & { readonly error: LockDeadlockError }): void
  /** The caller's signal or `close()` ended the wait. */
  aborted?(event: WaitEvent & { readonly error: LockAbortedError | LockClosedError }): void
  /** The store failed. */
  failed?(event: WaitEvent & { readonly error: LockError }): void
  /** A lease was renewed or extended, and ends `ttl` ms after the renewal was sent. */
  renewed?(event: HoldEvent & { readonly ttl: number }): void
  /** The holder released the lease, or `close()` did. */
  released?(event: HoldEvent): void
  lost?(event: HoldEvent & { readonly error: LockLostError }): void
}

const EVENTS = [
  "requested",
  "granted",
  "timedOut",
  "deadlocked",
  "aborted",
  "failed",
  "renewed",
  "released",
  "lost",
] as const satisfies readonly (keyof LockListener)[]

/**
 * A listener that never throws, with a method for each event that `listener` hears and for no other.
 *
 * @param run calls the listener's method
 */
export function guarded(listener: LockListener, run = <T>(call: () => T): T => call()): LockListener {
  const heard: Record<string, (event: never) => void> = {}
  let warned = false
  const warn = (error: unknown) => {
    // A listener that fails at each of 100,000 grants a second is reported once.
    if (!warned) process.emitWarning(error instanceof Error ? error : String(error))
    warned = true
  }
  for (const name of EVENTS) {
    if (listener[name] === undefined) continue
    if (typeof listener[name] !== "function") throw new LockArgumentError(`on.${name} must be a function`)
    heard[name] = (event) => {
      try {
        const result: unknown = run(() => listener[name]?.(event))
        // An async function fits the type, and its rejection would end the process.
        if (result instanceof Promise) result.catch(warn)
      } catch (error) {
        warn(error)
      }
    }
  }
  return heard
}
