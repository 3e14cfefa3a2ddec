import {
  asStoreError,
  isUnanswered,
  LockAbortedError,
  LockArgumentError,
  LockClosedError,
  type LockError,
} from "./errors.js"
import type { LockListener } from "./events.js"
import { KeptLease, type LeaseManager } from "./kept-lease.js"
import { LazySession } from "./lazy-session.js"
import { PendingBatch, ReleaseOrder, RenewalOrder } from "./pending-batch.js"
import type { BatchResult, Release, Renewal, Session, Store } from "./store.js"
import { type TimerEntry, TimerQueue } from "./timer-queue.js"
import { TombstoneMap } from "./tombstone-map.js"
import { type AcquireRequest, type Busy, Waiter } from "./waiter.js"

/** When to call the store again after it has failed, in ms. */
const RETRY_AFTER = 500

/** How often to call the store while a request waits and no message comes, in ms: one may have been lost. */
const SAFETY_CHECK = 15_000

/** After how long without an answer a timeout is reported as a failure of the store, in ms. */
const SILENT = 500

/** How many orders one batch holds at most. */
const LARGEST_BATCH = 1_000

/** For how long `close` waits for the store, in ms. */
const CLOSE_WITHIN = 5_000

const TICK = Promise.resolve()

/** Runs one session of a store: knows which requests wait, which leases are held, and when to call the store again. */
export class Coordinator implements LeaseManager {
  readonly on: LockListener
  readonly #session: LazySession
  readonly #timers = new TimerQueue()
  readonly #waiting = new TombstoneMap<number, Waiter>()
  readonly #nextCheck: TimerEntry = { due: 0, slot: -1, onDue: () => this.#scheduleFlush() }
  readonly #onTimeout = (waiter: Waiter) => {
    this.#cancelRequest(waiter)
    return this.#silence()
  }
  readonly #flushAsScheduled = () => {
    if (this.#flushScheduled && !this.#executing) this.#flush()
  }
  #pending = new PendingBatch()
  #seq = 0
  #flushScheduled = false
  #executing = false
  /** When the store was given the first batch of those that it has not executed, if there is one. */
  #unansweredSince: number | undefined
  #isSynchronous = false
  #gaveUpUnsent = false
  #closed = false
  /** Whether `close` waits for nothing more: what the store still answers schedules no call. */
  #ended = false
  #onIdle: (() => void) | undefined

  constructor(store: Store, on: LockListener) {
    this.#session = new LazySession(store, (within) => this.#wakeWithin(within))
    this.on = on
  }

  acquire(request: AcquireRequest): KeptLease | Busy | Promise<KeptLease | Busy> {
    const { signal, keys } = request
    if (this.#closed) throw new LockClosedError()
    if (signal?.aborted) throw new LockAbortedError(keys, signal.reason)
    const waiter = new Waiter(++this.#seq, request, performance.now(), this.#onTimeout, this.on)
    this.#pending.acquire.push(waiter)
    this.#send()
    if (waiter.pending) this.#wait(waiter)
    return waiter.take()
  }

  #wait(waiter: Waiter): void {
    const { signal, timeout } = waiter.request
    this.#waiting.set(waiter.seq, waiter)
    if (waiter.wait) this.#timers.schedule(waiter, waiter.since + timeout)
    if (signal) this.#listen(waiter, signal)
    this.#timers.arm(true)
  }

  /** A signal of another make may throw. A request without an owner would then hold its keys until `close()`. */
  #listen(waiter: Waiter, signal: AbortSignal): void {
    const { keys } = waiter
    try {
      waiter.listen(signal, () => this.#abort(waiter, new LockAbortedError(keys, signal.reason)))
    } catch (cause) {
      this.#cancelRequest(waiter)
      waiter.fail(new LockArgumentError("signal can't be listened to", { cause }))
    }
  }

  /** The error of a store that has executed nothing for longer than a healthy one takes. */
  #silence(): LockError | undefined {
    if (this.#unansweredSince === undefined) return undefined
    const silent = performance.now() - this.#unansweredSince
    return silent < SILENT
      ? undefined
      : asStoreError(new Error(`it has executed nothing for ${Math.round(silent)} ms`))
  }

  #abort(waiter: Waiter, error: LockAbortedError | LockClosedError): void {
    this.#cancelRequest(waiter)
    waiter.abort(error)
  }

  /** Ends the wait, and removes the request from the store. */
  #cancelRequest(waiter: Waiter): void {
    this.#stopWaiting(waiter)
    // The store cancels before it acquires, so what has not been sent must not be sent any more. It is left out when
    // the batch is sent: to look for each of 150,000 at once would take minutes.
    if (waiter.sent) this.#pending.cancel.push(waiter)
    else this.#gaveUpUnsent = true
    this.#scheduleFlush()
  }

  #stopWaiting(waiter: Waiter): void {
    this.#waiting.delete(waiter.seq)
    this.#timers.cancel(waiter)
    waiter.end()
  }

  /** Renewals are not urgent: those that are due at the same time are put into one batch, in any store. */
  renew(renewal: Renewal, lease?: KeptLease): RenewalOrder {
    if (this.#closed) throw new LockClosedError()
    const order = new RenewalOrder(renewal, lease)
    this.#pending.renew.push(order)
    this.#scheduleFlush()
    return order
  }

  release({ id, keys, token }: Release): boolean | Promise<boolean> {
    if (this.#closed) throw new LockClosedError()
    const order = new ReleaseOrder(id, keys, token)
    this.#pending.release.push(order)
    this.#send()
    return order.take()
  }

  schedule(lease: KeptLease, due: number): void {
    this.#timers.schedule(lease, due)
  }

  cancel(lease: KeptLease): void {
    this.#timers.cancel(lease)
  }

  /** The session, for calls other than a batch. */
  async session(): Promise<Session> {
    if (this.#closed) throw new LockClosedError()
    return this.#session.open()
  }

  #wakeWithin(ms: number): void {
    if (this.#closed) return
    const due = performance.now() + ms
    if (ms <= 0) this.#scheduleFlush()
    else if (this.#nextCheck.slot < 0 || due < this.#nextCheck.due) {
      this.#timers.schedule(this.#nextCheck, due)
      this.#timers.arm(this.#waiting.size > 0)
    }
  }

  /** Where the store executes synchronously there is nothing to gain from a larger batch. */
  #send(): void {
    if (this.#isSynchronous && !this.#executing) this.#flush()
    else this.#scheduleFlush()
  }

  #scheduleFlush(): void {
    if (this.#flushScheduled) return
    this.#flushScheduled = true
    // A queueMicrotask of Node's costs an AsyncResource each; a then doesn't.
    TICK.then(this.#flushAsScheduled)
  }

  #flush(): void {
    this.#flushScheduled = false
    // After a failure to open there may be nothing left to do: the store isn't opened for that.
    if (!this.#session.isOpen && this.#pending.size === 0) {
      this.#onIdle?.()
      return
    }
    this.#executing = true
    const batch = this.#takeBatch()
    for (const waiter of batch.acquire) waiter.sent = true
    // Loading the library and making a client may take long too.
    if (!this.#session.isOpen) this.#unansweredSince ??= performance.now()
    try {
      const result = this.#session.execute(batch)
      this.#isSynchronous = !("then" in result)
      if ("then" in result) return void this.#await(result, batch)
      this.#apply(batch, result)
    } catch (error) {
      this.#fail(batch, error)
    }
    this.#executing = false
    if (!this.#flushScheduled) this.#onIdle?.()
  }

  #takeBatch(): PendingBatch {
    const all = this.#pending
    if (this.#gaveUpUnsent) all.acquire = all.acquire.filter(({ pending }) => pending)
    this.#gaveUpUnsent = false
    if (all.size > LARGEST_BATCH) {
      this.#scheduleFlush()
      return all.takeFirst(LARGEST_BATCH)
    }
    this.#pending = new PendingBatch()
    return all
  }

  /** One batch at a time, so that a process can't overtake itself; what comes up meanwhile is the next batch. */
  async #await(result: Promise<BatchResult>, batch: PendingBatch): Promise<void> {
    // An open session has set `sentAt`: reading the clock again would cost a measurable part of a pair.
    this.#unansweredSince ??= batch.sentAt || performance.now()
    this.#timers.arm(this.#waiting.size > 0)
    try {
      const answer = await result
      this.#unansweredSince = undefined
      this.#apply(batch, answer)
    } catch (error) {
      this.#fail(batch, error)
    }
    this.#executing = false
    if (this.#ended) this.#timers.disarm()
    else if (this.#flushScheduled) this.#flush()
    else this.#onIdle?.()
  }

  #apply(batch: PendingBatch, result: BatchResult): void {
    let at = 0
    for (const order of batch.renew) order.settle(result.renewed[at++] === true, batch.sentAt)
    at = 0
    for (const release of batch.release) release.resolve(result.released[at++] === true)
    for (const grant of result.granted) {
      const waiter = this.#waiter(grant.seq, batch)
      // A waiter that has given up in the meantime is being cancelled, granted or not.
      if (waiter) this.#hold(waiter, new KeptLease(this, waiter, grant, waiter.request.renews, batch.sentAt))
    }
    for (const { seq, key } of result.refused) this.#end(seq, batch, (waiter) => waiter.refuse(key))
    for (const { seq, circle } of result.deadlocked ?? [])
      this.#end(seq, batch, (waiter) => waiter.deadlock(circle))
    for (const seq of result.dropped) this.#requeue(seq)
    if (result.taken.length > 0) this.#lose(result.taken)
    this.#scheduleNextCheck(result.wakeIn)
    this.#timers.arm(this.#waiting.size > 0)
  }

  #scheduleNextCheck(wakeIn = Number.POSITIVE_INFINITY): void {
    const within = this.#waiting.size > 0 ? Math.min(wakeIn, SAFETY_CHECK) : wakeIn
    if (within === Number.POSITIVE_INFINITY) this.#timers.cancel(this.#nextCheck)
    else this.#timers.schedule(this.#nextCheck, performance.now() + within)
  }

  /** The last request of the batch may not be among the waiting yet. */
  #waiter(seq: number, { acquire }: PendingBatch): Waiter | undefined {
    const last = acquire.at(-1)
    return last?.seq === seq && last.pending ? last : this.#waiting.get(seq)
  }

  #hold(waiter: Waiter, lease: KeptLease): void {
    this.#stopWaiting(waiter)
    if (waiter.request.kept) lease.keep()
    waiter.grant(lease)
  }

  #end(seq: number, batch: PendingBatch, how: (waiter: Waiter) => void): void {
    const waiter = this.#waiter(seq, batch)
    if (!waiter) return
    this.#stopWaiting(waiter)
    how(waiter)
  }

  #lose(taken: readonly number[]): void {
    for (const lease of this.#held())
      if (taken.includes(lease.seq)) lease.lose("it was taken away by forceRelease")
  }

  /** Each kept lease has a timer entry, be it at `Infinity`: there is no need for a map of them. */
  #held(): KeptLease[] {
    return this.#timers.entries.filter((it) => it instanceof KeptLease)
  }

  #requeue(seq: number): void {
    const waiter = this.#waiting.get(seq)
    if (!waiter) return
    waiter.sent = false
    this.#pending.acquire.push(waiter)
    this.#scheduleFlush()
  }

  /**
   * What the store has executed of the batch is unknown: its requests are cancelled, and its callers get the error, but
   * for those whose requests are asked again on a new connection.
   */
  #fail(batch: PendingBatch, cause: unknown): void {
    const error = asStoreError(cause)
    for (const order of batch.renew) order.reject(error)
    for (const order of batch.release) order.reject(error)
    this.#cancelAll(batch)
    for (const waiter of this.#requestsOf(batch)) {
      if (isUnanswered(cause) && waiter.pending && !waiter.askedAgain) this.#askAgain(waiter)
      else this.#failRequest(waiter, error)
    }
    this.#timers.schedule(this.#nextCheck, performance.now() + RETRY_AFTER)
    this.#timers.arm(this.#waiting.size > 0)
  }

  /** With those that were too many for the batch: cancellations come first, and would keep them from ever being sent. */
  #requestsOf({ acquire, size }: PendingBatch): readonly Waiter[] {
    if (size < LARGEST_BATCH) return acquire
    const unsent = this.#pending.acquire
    this.#pending.acquire = []
    return [...acquire, ...unsent]
  }

  #failRequest(waiter: Waiter, error: LockError): void {
    if (waiter.pending) waiter.fail(error)
    this.#stopWaiting(waiter)
  }

  #cancelAll({ cancel, acquire }: PendingBatch): void {
    const pending = this.#pending.cancel
    if (!this.#session.isOpen) {
      pending.length = 0
      return
    }
    // One by one: as the arguments of one call, 150,000 are more than the stack holds.
    for (const it of cancel) pending.push(it)
    for (const { seq, keys } of acquire) pending.push({ seq, keys })
  }

  /** Under another number, so that what the first asking may still become is not taken for this one. */
  #askAgain(waiter: Waiter): void {
    this.#waiting.delete(waiter.seq)
    waiter.seq = ++this.#seq
    waiter.askedAgain = true
    waiter.sent = false
    this.#waiting.set(waiter.seq, waiter)
    this.#pending.acquire.push(waiter)
    this.#scheduleFlush()
  }

  async close(): Promise<void> {
    for (const [, waiter] of [...this.#waiting]) this.#abort(waiter, new LockClosedError())
    for (const lease of this.#held()) lease.giveUp(new LockClosedError())
    this.#closed = true
    const until = performance.now() + CLOSE_WITHIN
    const idle = await this.#becomesIdle(CLOSE_WITHIN)
    this.#ended = true
    this.#timers.disarm()
    await this.#session.close(idle ? Math.max(until - performance.now(), 0) : 0)
  }

  /** False where the store has not answered the last batch within `ms`. */
  async #becomesIdle(ms: number): Promise<boolean> {
    if (!this.#flushScheduled && !this.#executing) return true
    let timer: NodeJS.Timeout | undefined
    const idle = new Promise<boolean>((resolve) => {
      this.#onIdle = () => resolve(true)
      timer = setTimeout(resolve, ms, false)
    })
    return idle.finally(() => clearTimeout(timer))
  }
}
