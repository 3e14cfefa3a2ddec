import { checkTtl } from "./arguments.js"
import type { Deferred } from "./deferred.js"
import { type LockClosedError, LockLostError } from "./errors.js"
import type { HoldEvent, LockListener } from "./events.js"
import type { Lease } from "./lease.js"
import type { Grant, Release, Renewal, Request } from "./store.js"
import type { TimerEntry } from "./timer-queue.js"

/** What a lease needs of the coordinator that keeps it. */
export interface LeaseManager {
  readonly on: LockListener
  /** Sends a renewal; the outcome is reported to the lease. */
  renew(renewal: Renewal, lease: KeptLease): Deferred<boolean>
  release(lease: Release): boolean | Promise<boolean>
  /** Calls `lease.onDue` at `due`; at `Infinity` never. */
  schedule(lease: KeptLease, due: number): void
  /** Cancels that call: the lease has ended. */
  cancel(lease: KeptLease): void
}

/** A holder trusts a lease for this part of its ttl: clocks run at different speeds, and timers are late. */
const TRUSTED = 0.99
/** The first renewal is sent when this part of the ttl has passed, which leaves time for others. */
const RENEW_AFTER = 1 / 3
/** This part of that is random: 100,000 leases that were granted at once would else be renewed at once, each time. */
const SPREAD = 1 / 4
/** Renewals that are due within this part of the ttl are put into one batch. */
const GRAIN = 1 / 300
/** After a renewal that failed, the next try comes when this part of the ttl has passed. */
const RETRY_AFTER = 1 / 10

/**
 * A lease that this process watches over.
 *
 * Its holder trusts it for nearly one ttl from the moment *before* the batch was sent, on the monotonic clock. The
 * store's own ttl started later, so that the trust always ends before another owner can have the keys.
 */
export class KeptLease implements Lease, TimerEntry {
  due = 0
  slot = -1
  readonly #manager: LeaseManager
  readonly #request: Request
  readonly #grant: Grant
  readonly #renews: boolean
  readonly #since: number
  #ttl: number
  #trustedUntil: number
  #ended: "released" | LockLostError | LockClosedError | undefined
  #abort: AbortController | undefined

  constructor(manager: LeaseManager, request: Request, grant: Grant, renews: boolean, sentAt: number) {
    this.#manager = manager
    this.#request = request
    this.#grant = grant
    this.#renews = renews
    this.#since = sentAt
    this.#ttl = request.ttl
    this.#trustedUntil = sentAt + request.ttl * TRUSTED
  }

  /** The request that became this lease, within its session. */
  get seq(): number {
    return this.#request.seq
  }

  /** What a release or a renewal names, so that it can't touch a successor. */
  get exactly(): { id: string; keys: readonly string[]; token: number } {
    return { id: this.id, keys: this.keys, token: this.#grant.token }
  }

  get keys(): readonly string[] {
    return this.#request.keys
  }

  get owner(): string {
    return this.#request.owner
  }

  get id(): string {
    return this.#request.id
  }

  get token(): bigint {
    return BigInt(this.#grant.token)
  }

  tokenOf(key: string): bigint {
    const place = this.keys.indexOf(key)
    if (place < 0) throw new RangeError(`This lease is not for the key ${JSON.stringify(key)}`)
    return BigInt(this.#grant.tokens?.[place] ?? this.#grant.token)
  }

  get signal(): AbortSignal {
    if (!this.#abort) {
      this.#abort = new AbortController()
      if (this.loss) this.#abort.abort(this.loss)
    }
    return this.#abort.signal
  }

  /** Whether it has neither been released nor lost, as far as this process knows. */
  get isHeld(): boolean {
    return this.loss === undefined && this.#ended === undefined
  }

  get loss(): LockLostError | LockClosedError | undefined {
    if (this.#ended === undefined && performance.now() >= this.#trustedUntil) this.giveUp("it expired")
    return this.#ended === "released" ? undefined : this.#ended
  }

  async extend(ttl: number = this.#ttl): Promise<void> {
    const wanted = checkTtl(ttl)
    if (this.loss) throw this.loss
    if (this.#ended) throw new LockLostError(this.keys, "it was released")
    // The store may execute the renewal and its result be lost: a nearer end counts from now on.
    this.#trustNoLongerThan(performance.now() + wanted * TRUSTED)
    if (!(await this.#manager.renew({ ...this.exactly, ttl: wanted }, this).take()))
      throw this.loss ?? new LockLostError(this.keys, "it was released")
  }

  #trustNoLongerThan(until: number): void {
    if (until >= this.#trustedUntil) return
    this.#trustedUntil = until
    this.#manager.schedule(this, Math.min(this.due, until))
  }

  async release(): Promise<boolean> {
    if (this.loss || this.#ended) return false
    this.#end("released")
    try {
      const answer = this.#manager.release(this.exactly)
      const held = typeof answer === "boolean" ? answer : await answer
      if (!held) this.#foundLost()
      return held
    } finally {
      this.#tellEnd()
    }
  }

  #foundLost(): void {
    const loss = new LockLostError(this.keys, "it had expired, or was taken away, when it was released")
    this.#ended = loss
    this.#abort?.abort(loss)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release()
    if (this.loss) throw this.loss
  }

  /** Starts to watch over the lease. */
  keep(): void {
    // Without an end there is nothing to renew, and Infinity - Infinity is not a number.
    const renews = this.#renews && this.#ttl !== Number.POSITIVE_INFINITY
    this.#manager.schedule(this, renews ? this.#renewalDue() : this.#trustedUntil)
  }

  #renewalDue(): number {
    const after = RENEW_AFTER * (1 - SPREAD * Math.random())
    const grain = this.#ttl * GRAIN
    return Math.floor((this.#trustedUntil - this.#ttl * (TRUSTED - after)) / grain) * grain
  }

  onDue(now: number): void {
    if (now >= this.#trustedUntil) this.giveUp("it expired")
    else this.#askToRenew()
  }

  /** Loses it, and releases it in the store too: a renewal that was on its way may have kept it there. */
  async giveUp(why: string | LockClosedError): Promise<void> {
    this.lose(why)
    try {
      await this.#manager.release(this.exactly)
    } catch {
      // It ends by its ttl.
    }
  }

  #askToRenew(): void {
    this.#manager.schedule(this, this.#trustedUntil)
    this.#manager.renew({ ...this.exactly, ttl: this.#ttl }, this)
  }

  /** The store has failed to answer a renewal. */
  retryRenewal(): void {
    if (this.#ended || !this.#renews) return
    this.#manager.schedule(this, Math.min(performance.now() + this.#ttl * RETRY_AFTER, this.#trustedUntil))
  }

  /** The store has renewed it, by a batch that was sent at `sentAt`. */
  renewed(sentAt: number, ttl: number): void {
    if (this.#ended) return
    this.#ttl = ttl
    this.#trustedUntil = sentAt + ttl * TRUSTED
    this.keep()
    this.#manager.on.renewed?.({ ...this.#event(), ttl })
  }

  lose(why: string | LockClosedError, cause?: unknown): void {
    if (this.#ended) return
    const loss = typeof why === "string" ? new LockLostError(this.keys, why, { cause }) : why
    this.#end(loss)
    this.#abort?.abort(loss)
    this.#tellEnd()
  }

  #end(how: "released" | LockLostError | LockClosedError): void {
    this.#ended = how
    this.#manager.cancel(this)
  }

  #tellEnd(): void {
    const { on } = this.#manager
    if (this.#ended instanceof LockLostError) on.lost?.({ ...this.#event(), error: this.#ended })
    else on.released?.(this.#event())
  }

  #event(): HoldEvent {
    const held = performance.now() - this.#since
    return { id: this.id, owner: this.owner, keys: this.keys, token: this.token, held }
  }
}
