import { Agenda, type Appointment } from "./agenda.js"
import { LockAbortedError, LockClosedError, LockStoreError } from "./errors.js"
import { type Keeper, KeptLease } from "./kept-lease.js"
import { type LeaseRenewal, Outbox } from "./outbox.js"
import type { Answer, Release, Renewal, Session, Store } from "./store.js"
import { Busy, type Settlement, Waiter, type Wish } from "./waiter.js"

/** When to ask again after the store has failed, in ms. */
const RETRY_AFTER = 500

/** How often to ask while somebody waits and nothing is heard, in ms: a message may have been lost. */
const SAFETY_CHECK = 15_000

const TICK = Promise.resolve()

/** One session's conversation with its store: who waits, what is held, and when to ask again. */
export class Client implements Keeper {
  readonly #store: Store
  readonly #agenda = new Agenda()
  readonly #waiting = new Map<number, Waiter>()
  readonly #held = new Map<number, KeptLease>()
  readonly #lookAgain: Appointment = { due: 0, slot: -1, onDue: () => this.#schedule() }
  readonly #giveUp = (waiter: Waiter) => this.#cancel(waiter)
  readonly #askNow = () => this.#ask()
  #session: Promise<Session> | undefined
  #connected: Session | undefined
  #outbox = new Outbox()
  #seq = 0
  #scheduled = false
  #asking = false
  #closed = false
  #onQuiet: (() => void) | undefined

  constructor(store: Store) {
    this.#store = store
  }

  acquire(wish: Wish): Promise<KeptLease | Busy> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(new LockClosedError())
      const { signal, keys } = wish
      if (signal?.aborted) return reject(new LockAbortedError(keys, signal.reason))
      const waiter = new Waiter(++this.#seq, wish, { resolve, reject }, this.#giveUp)
      if (waiter.wait) this.#agenda.set(waiter, performance.now() + wish.timeout)
      if (signal) waiter.listen(signal, () => this.#reject(waiter, new LockAbortedError(keys, signal.reason)))
      this.#enqueue(waiter)
    })
  }

  #enqueue(waiter: Waiter): void {
    waiter.sent = false
    this.#waiting.set(waiter.seq, waiter)
    this.#outbox.acquire.push(waiter)
    this.#schedule()
  }

  #reject(waiter: Waiter, error: unknown): void {
    this.#cancel(waiter)
    waiter.settlement.reject(error)
  }

  /** Ends the wait, and sees to it that nothing is left of it in the store. */
  #cancel(waiter: Waiter): void {
    this.#stopWaiting(waiter)
    // The store cancels before it acquires, so what has not been sent must not be sent any more.
    if (waiter.sent) this.#outbox.cancel.push(waiter)
    else this.#outbox.acquire = this.#outbox.acquire.filter((other) => other !== waiter)
    this.#schedule()
  }

  #stopWaiting(waiter: Waiter): void {
    this.#waiting.delete(waiter.seq)
    this.#agenda.delete(waiter)
    waiter.end()
  }

  renew(lease: KeptLease, ttl: number): Promise<boolean> {
    return this.#put((settlement) => this.#outbox.renew.push({ ...lease.exactly, ttl, lease, ...settlement }))
  }

  renewById(renewal: Renewal): Promise<boolean> {
    return this.#put((settlement) => this.#outbox.renew.push({ ...renewal, ...settlement }))
  }

  release(lease: KeptLease): Promise<boolean> {
    return this.releaseById(lease.exactly)
  }

  releaseById({ id, keys, token }: Release): Promise<boolean> {
    return this.#put(({ resolve, reject }) => this.#outbox.release.push({ id, keys, token, resolve, reject }))
  }

  #put(write: (settlement: Settlement<boolean>) => void): Promise<boolean> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(new LockClosedError())
      write({ resolve, reject })
      this.#schedule()
    })
  }

  remind(lease: KeptLease, due: number): void {
    this.#agenda.set(lease, due)
  }

  forget(lease: KeptLease): void {
    this.#held.delete(lease.seq)
    this.#agenda.delete(lease)
  }

  /** The session, for whoever asks it something else. */
  session(): Promise<Session> {
    if (this.#closed) return Promise.reject(new LockClosedError())
    return this.#connect()
  }

  async #connect(): Promise<Session> {
    try {
      this.#session ??= Promise.resolve(this.#store.connect((ms) => this.#askWithin(ms)))
      this.#connected = await this.#session
      return this.#connected
    } catch (error) {
      this.#session = undefined
      throw new LockStoreError(error)
    }
  }

  #askWithin(ms: number): void {
    if (this.#closed) return
    const due = performance.now() + ms
    if (ms <= 0) this.#schedule()
    else if (this.#lookAgain.slot < 0 || due < this.#lookAgain.due) {
      this.#agenda.set(this.#lookAgain, due)
      this.#agenda.arm(this.#waiting.size > 0)
    }
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    // A queueMicrotask of Node's costs an AsyncResource each; a then doesn't.
    TICK.then(this.#askNow)
  }

  #ask(): void {
    if (this.#asking) return
    this.#scheduled = false
    const outbox = this.#outbox
    this.#outbox = new Outbox()
    for (const waiter of outbox.acquire) waiter.sent = true
    try {
      const session = this.#connected
      const answer = session
        ? this.#consult(session, outbox)
        : this.#connect().then((it) => this.#consult(it, outbox))
      if ("then" in answer) this.#await(answer, outbox)
      else this.#settle(outbox, answer)
    } catch (error) {
      this.#fail(outbox, error)
    }
    if (!this.#scheduled && !this.#asking) this.#onQuiet?.()
  }

  #consult(session: Session, outbox: Outbox): Answer | Promise<Answer> {
    // Trust is reckoned from before the question: the store's ttl starts at some moment after it. Connecting comes
    // before both, and may take longer than a short lease lasts.
    outbox.asked = performance.now()
    return session.ask(outbox)
  }

  /** One question at a time, so that a process can't overtake itself; what comes up meanwhile is asked together. */
  async #await(answer: Promise<Answer>, outbox: Outbox): Promise<void> {
    this.#asking = true
    this.#agenda.arm(this.#waiting.size > 0)
    try {
      this.#settle(outbox, await answer)
    } catch (error) {
      this.#fail(outbox, error)
    }
    this.#asking = false
    if (this.#scheduled) this.#ask()
    else this.#onQuiet?.()
  }

  #settle(outbox: Outbox, answer: Answer): void {
    const { asked } = outbox
    let at = 0
    for (const renewal of outbox.renew) this.#renewed(renewal, answer.renewed[at++] === true, asked)
    at = 0
    for (const { resolve } of outbox.release) resolve(answer.released[at++] === true)
    for (const grant of answer.granted) {
      const waiter = this.#waiting.get(grant.seq)
      // One that has given up in the meantime is being cancelled, granted or not.
      if (waiter) this.#hold(waiter, new KeptLease(this, waiter, grant, waiter.wish.renews, asked))
    }
    for (const { seq, key } of answer.refused) this.#refuse(seq, key)
    for (const seq of answer.dropped) this.#queueAgain(seq)
    for (const seq of answer.taken) this.#held.get(seq)?.lose("it was taken away by forceRelease")
    const check = this.#waiting.size > 0 ? SAFETY_CHECK : Number.POSITIVE_INFINITY
    this.#agenda.set(this.#lookAgain, performance.now() + Math.min(answer.askIn ?? check, check))
    this.#agenda.arm(this.#waiting.size > 0)
  }

  #renewed({ lease, ttl, resolve }: LeaseRenewal, held: boolean, asked: number): void {
    if (held) lease?.renewed(asked, ttl)
    else lease?.lose("it had expired, or was taken away, when it was to be renewed")
    resolve(held)
  }

  #hold(waiter: Waiter, lease: KeptLease): void {
    this.#stopWaiting(waiter)
    if (waiter.wish.kept) {
      this.#held.set(lease.seq, lease)
      lease.keep()
    }
    waiter.settlement.resolve(lease)
  }

  #refuse(seq: number, key: string): void {
    const waiter = this.#waiting.get(seq)
    if (!waiter) return
    this.#stopWaiting(waiter)
    waiter.settlement.resolve(new Busy(key))
  }

  #queueAgain(seq: number): void {
    const waiter = this.#waiting.get(seq)
    if (waiter) this.#enqueue(waiter)
  }

  /** Nobody knows what the store has done of it: those who asked are told, and requests are undone. */
  #fail(outbox: Outbox, cause: unknown): void {
    const error = cause instanceof LockStoreError ? cause : new LockStoreError(cause)
    for (const { reject } of [...outbox.renew, ...outbox.release]) reject(error)
    for (const waiter of outbox.acquire) {
      if (this.#waiting.has(waiter.seq)) waiter.settlement.reject(error)
      this.#stopWaiting(waiter)
    }
    if (this.#connected) this.#outbox.cancel.push(...outbox.cancel, ...outbox.acquire)
    this.#agenda.set(this.#lookAgain, performance.now() + RETRY_AFTER)
    this.#agenda.arm(this.#waiting.size > 0)
  }

  async close(): Promise<void> {
    for (const waiter of [...this.#waiting.values()]) this.#reject(waiter, new LockClosedError())
    const leases = [...this.#held.values()]
    for (const lease of leases) {
      this.release(lease).catch(() => false)
      lease.lose(new LockClosedError())
    }
    this.#closed = true
    this.#agenda.arm(false)
    if (this.#scheduled || this.#asking) await new Promise<void>((resolve) => (this.#onQuiet = resolve))
    this.#agenda.delete(this.#lookAgain)
    this.#agenda.arm(false)
    await this.#connected?.close()
  }
}
