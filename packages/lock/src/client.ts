import { Agenda, type Appointment } from "./agenda.js"
import { Connection } from "./connection.js"
import { asStoreError, LockAbortedError, LockClosedError } from "./errors.js"
import type { LockListener } from "./events.js"
import { type Keeper, KeptLease } from "./kept-lease.js"
import { Outbox, ReleaseOrder, RenewalOrder } from "./outbox.js"
import { SteadyMap } from "./steady-map.js"
import type { Answer, Release, Renewal, Session, Store } from "./store.js"
import { type Busy, Waiter, type Wish } from "./waiter.js"

/** When to ask again after the store has failed, in ms. */
const RETRY_AFTER = 500

/** How often to ask while somebody waits and nothing is heard, in ms: a message may have been lost. */
const SAFETY_CHECK = 15_000

const TICK = Promise.resolve()

/** One session's conversation with its store: who waits, what is held, and when to ask again. */
export class Client implements Keeper {
  readonly on: LockListener
  readonly #connection: Connection
  readonly #agenda = new Agenda()
  readonly #waiting = new SteadyMap<number, Waiter>()
  readonly #lookAgain: Appointment = { due: 0, slot: -1, onDue: () => this.#schedule() }
  readonly #giveUp = (waiter: Waiter) => this.#cancel(waiter)
  readonly #askAsScheduled = () => {
    if (this.#scheduled && !this.#asking) this.#ask()
  }
  #outbox = new Outbox()
  #seq = 0
  #scheduled = false
  #asking = false
  #answersAtOnce = false
  #closed = false
  #onQuiet: (() => void) | undefined

  constructor(store: Store, on: LockListener) {
    this.#connection = new Connection(store, (within) => this.#askWithin(within))
    this.on = on
  }

  acquire(wish: Wish): KeptLease | Busy | Promise<KeptLease | Busy> {
    const { signal, keys } = wish
    if (this.#closed) throw new LockClosedError()
    if (signal?.aborted) throw new LockAbortedError(keys, signal.reason)
    const waiter = new Waiter(++this.#seq, wish, performance.now(), this.#giveUp, this.on)
    this.#outbox.acquire.push(waiter)
    this.#send()
    if (waiter.pending) this.#wait(waiter)
    return waiter.take()
  }

  #wait(waiter: Waiter): void {
    const { signal, keys, timeout } = waiter.wish
    this.#waiting.set(waiter.seq, waiter)
    if (waiter.wait) this.#agenda.set(waiter, waiter.since + timeout)
    if (signal) waiter.listen(signal, () => this.#abort(waiter, new LockAbortedError(keys, signal.reason)))
    this.#agenda.arm(true)
  }

  #abort(waiter: Waiter, error: LockAbortedError | LockClosedError): void {
    this.#cancel(waiter)
    waiter.abort(error)
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

  /** Nobody is in a hurry here: what is due at the same time is renewed by one question, in any store. */
  renew(renewal: Renewal, lease?: KeptLease): RenewalOrder {
    if (this.#closed) throw new LockClosedError()
    const order = new RenewalOrder(renewal, lease)
    this.#outbox.renew.push(order)
    this.#schedule()
    return order
  }

  release({ id, keys, token }: Release): boolean | Promise<boolean> {
    if (this.#closed) throw new LockClosedError()
    const order = new ReleaseOrder(id, keys, token)
    this.#outbox.release.push(order)
    this.#send()
    return order.take()
  }

  remind(lease: KeptLease, due: number): void {
    this.#agenda.set(lease, due)
  }

  forget(lease: KeptLease): void {
    this.#agenda.delete(lease)
  }

  /** The session, for whoever asks it something else. */
  async session(): Promise<Session> {
    if (this.#closed) throw new LockClosedError()
    return this.#connection.open()
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

  /** Where the answer is to be had at once there is nothing to gain from waiting for others who ask. */
  #send(): void {
    if (this.#answersAtOnce && !this.#asking) this.#ask()
    else this.#schedule()
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    // A queueMicrotask of Node's costs an AsyncResource each; a then doesn't.
    TICK.then(this.#askAsScheduled)
  }

  #ask(): void {
    this.#scheduled = false
    this.#asking = true
    const outbox = this.#outbox
    this.#outbox = new Outbox()
    for (const waiter of outbox.acquire) waiter.sent = true
    try {
      const answer = this.#connection.ask(outbox)
      this.#answersAtOnce = !("then" in answer)
      if ("then" in answer) return void this.#await(answer, outbox)
      this.#settle(outbox, answer)
    } catch (error) {
      this.#fail(outbox, error)
    }
    this.#asking = false
    if (!this.#scheduled) this.#onQuiet?.()
  }

  /** One question at a time, so that a process can't overtake itself; what comes up meanwhile is asked together. */
  async #await(answer: Promise<Answer>, outbox: Outbox): Promise<void> {
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
    let at = 0
    for (const order of outbox.renew) order.settle(answer.renewed[at++] === true, outbox.asked)
    at = 0
    for (const release of outbox.release) release.resolve(answer.released[at++] === true)
    for (const grant of answer.granted) {
      const waiter = this.#waiter(grant.seq, outbox)
      // One that has given up in the meantime is being cancelled, granted or not.
      if (waiter) this.#hold(waiter, new KeptLease(this, waiter, grant, waiter.wish.renews, outbox.asked))
    }
    for (const { seq, key } of answer.refused) this.#refuse(seq, key, outbox)
    for (const seq of answer.dropped) this.#queueAgain(seq)
    if (answer.taken.length > 0) this.#lose(answer.taken)
    this.#planToLookAgain(answer.askIn)
    this.#agenda.arm(this.#waiting.size > 0)
  }

  #planToLookAgain(askIn = Number.POSITIVE_INFINITY): void {
    const within = this.#waiting.size > 0 ? Math.min(askIn, SAFETY_CHECK) : askIn
    if (within === Number.POSITIVE_INFINITY) this.#agenda.delete(this.#lookAgain)
    else this.#agenda.set(this.#lookAgain, performance.now() + within)
  }

  /** The last that was asked for may not be among the waiting yet. */
  #waiter(seq: number, { acquire }: Outbox): Waiter | undefined {
    const last = acquire.at(-1)
    return last?.seq === seq && last.pending ? last : this.#waiting.get(seq)
  }

  #hold(waiter: Waiter, lease: KeptLease): void {
    this.#stopWaiting(waiter)
    if (waiter.wish.kept) lease.keep()
    waiter.grant(lease)
  }

  #refuse(seq: number, key: string, outbox: Outbox): void {
    const waiter = this.#waiter(seq, outbox)
    if (!waiter) return
    this.#stopWaiting(waiter)
    waiter.refuse(key)
  }

  #lose(taken: readonly number[]): void {
    for (const lease of this.#held())
      if (taken.includes(lease.seq)) lease.lose("it was taken away by forceRelease")
  }

  /** A lease that is kept has an appointment, be it at no time: there is no need for a map of them. */
  #held(): KeptLease[] {
    return this.#agenda.appointments.filter((it) => it instanceof KeptLease)
  }

  #queueAgain(seq: number): void {
    const waiter = this.#waiting.get(seq)
    if (!waiter) return
    waiter.sent = false
    this.#outbox.acquire.push(waiter)
    this.#schedule()
  }

  /** Nobody knows what the store has done of it: those who asked are told, and requests are undone. */
  #fail(outbox: Outbox, cause: unknown): void {
    const error = asStoreError(cause)
    for (const order of [...outbox.renew, ...outbox.release]) order.reject(error)
    for (const waiter of outbox.acquire) {
      if (waiter.pending) waiter.fail(error)
      this.#stopWaiting(waiter)
    }
    if (this.#connection.isOpen) this.#outbox.cancel.push(...outbox.cancel, ...outbox.acquire)
    this.#agenda.set(this.#lookAgain, performance.now() + RETRY_AFTER)
    this.#agenda.arm(this.#waiting.size > 0)
  }

  async close(): Promise<void> {
    for (const [, waiter] of [...this.#waiting]) this.#abort(waiter, new LockClosedError())
    for (const lease of this.#held()) lease.giveUp(new LockClosedError())
    this.#closed = true
    this.#agenda.arm(false)
    if (this.#scheduled || this.#asking) await new Promise<void>((resolve) => (this.#onQuiet = resolve))
    this.#agenda.disarm()
    await this.#connection.close()
  }
}
