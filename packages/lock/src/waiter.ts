import { onAbort } from "./abort-listeners.js"
import { Deferred } from "./deferred.js"
import { type LockAbortedError, type LockClosedError, LockDeadlockError, type LockError } from "./errors.js"
import type { LockListener, WaitEvent } from "./events.js"
import type { KeptLease } from "./kept-lease.js"
import type { CircleMember, Hold, Request } from "./store.js"
import type { TimerEntry } from "./timer-queue.js"

/** The outcome of a request whose time is up: a value, not an error. */
export class Busy {
  constructor(
    /** The key that was busy, where the store reported it. */
    readonly key: string | undefined,
  ) {}
}

/** A caller's request, with arguments that have been checked. */
export interface AcquireRequest extends Omit<Request, "seq" | "wait"> {
  readonly timeout: number
  /** Whether the lease renews itself. */
  readonly renews: boolean
  /** Whether this process watches over the lease, or only takes it. */
  readonly kept: boolean
  readonly signal: AbortSignal | undefined
}

/** One request that has not been granted yet, on the caller's side. */
export class Waiter extends Deferred<KeptLease | Busy> implements Request, TimerEntry {
  due = 0
  slot = -1
  /** Whether it has been sent to the store, and has to be cancelled there when the wait ends early. */
  sent = false
  /** Whether it has been asked for a second time, since the first answer was lost with the connection. */
  askedAgain = false
  readonly id: string
  readonly owner: string
  readonly keys: readonly string[]
  readonly ttl: number
  readonly wait: boolean
  readonly holds: readonly Hold[] | undefined
  #stopListening: (() => void) | undefined

  constructor(
    /** Another one when it is asked for again. */
    public seq: number,
    readonly request: AcquireRequest,
    readonly since: number,
    /** Ends the wait; returns the error of a store that doesn't answer, by which it is unknown whether the keys are busy. */
    readonly giveUp: (waiter: Waiter) => LockError | undefined,
    readonly on: LockListener,
  ) {
    super()
    this.id = request.id
    this.owner = request.owner
    this.keys = request.keys
    this.ttl = request.ttl
    this.wait = request.timeout > 0
    this.holds = request.holds
    on.requested?.({ id: request.id, owner: request.owner, keys: request.keys })
  }

  listen(signal: AbortSignal, callback: () => void): void {
    this.#stopListening = onAbort(signal, callback)
  }

  onDue(): void {
    const silence = this.giveUp(this)
    if (silence) this.fail(silence)
    else this.refuse(undefined)
  }

  grant(lease: KeptLease): void {
    this.resolve(lease)
    this.on.granted?.({ ...this.#event(), token: lease.token, kept: this.request.kept })
  }

  refuse(busyKey: string | undefined): void {
    this.resolve(new Busy(busyKey))
    this.on.timedOut?.({ ...this.#event(), timeout: this.request.timeout })
  }

  /** It was not queued, since it would have waited for itself. */
  deadlock(circle: readonly CircleMember[]): void {
    const error = new LockDeadlockError(this.keys, circle)
    this.reject(error)
    this.on.deadlocked?.({ ...this.#event(), error })
  }

  abort(error: LockAbortedError | LockClosedError): void {
    this.reject(error)
    this.on.aborted?.({ ...this.#event(), error })
  }

  fail(error: LockError): void {
    this.reject(error)
    this.on.failed?.({ ...this.#event(), error })
  }

  #event(): WaitEvent {
    return { id: this.id, owner: this.owner, keys: this.keys, waited: performance.now() - this.since }
  }

  end(): void {
    this.#stopListening?.()
  }
}
