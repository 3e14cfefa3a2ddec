import type { BuyersPayment } from "../medusa/buyers-payments"
import { timeout, within } from "../waker"
import { whenAskedToStop } from "./answer-at-shutdown"
import { type BuyersQuestion, type PaymentForBuyer, paymentForBuyer } from "./buyers-payment"

/** What is read together, and how often at most: a rush of outcomes makes no more statements than this. */
const READ_PAUSE_MS = 50
const READ_TIMEOUT_MS = 5_000

/** Makes up for a notification that was lost, or that a pooler does not forward. */
const LOOK_EVERY_MS = 10_000

/**
 * How many requests a process holds. Of payments that are not known, or not by this secret, fewer: requests with made-up
 * secrets must not take the place of buyers.
 */
export interface WaitingLimits {
  all: number
  unknown: number
}

export const WAITING_LIMITS: WaitingLimits = { all: 1_000, unknown: 500 }

/** Whether there is such a payment can't be told now. */
export class AskAgain extends Error {}

interface Waiting {
  question: BuyersQuestion
  /** undefined until it was read; null where there is no such payment */
  seen: PaymentForBuyer | null | undefined
  /** ends the wait with what was seen */
  end: () => void
}

type Read = (ids: string[]) => Promise<Map<string, BuyersPayment>>

/**
 * The buyers whose requests wait in this process until something becomes of their payments. All of them are looked up by
 * one statement: when they come, when an outcome was written anywhere, and every ten seconds.
 */
export class WaitingBuyers {
  readonly #read: Read
  readonly #limits: WaitingLimits
  readonly #waiting = new Set<Waiting>()
  #isLooking = false
  #isLookWanted = false
  #timer: NodeJS.Timeout | undefined
  #ignoreSignals: (() => void) | undefined
  #isClosed = false

  constructor(read: Read, limits: WaitingLimits = WAITING_LIMITS) {
    this.#read = read
    this.#limits = limits
  }

  get size(): number {
    return this.#waiting.size
  }

  /** How the payment stands now; null where there is none with this secret. */
  async ask(question: BuyersQuestion): Promise<PaymentForBuyer | null> {
    return paymentForBuyer((await this.#read([question.id])).get(question.id), question)
  }

  /**
   * How the payment stands when something has become of it, or after `ms`, or when the caller is gone. A wrong secret waits
   * like a payment that is still to come: neither is told from the other.
   *
   * @throws AskAgain
   */
  async wait(question: BuyersQuestion, ms: number, gone: AbortSignal): Promise<PaymentForBuyer | null> {
    if (this.#waiting.size >= this.#limits.all) {
      throw new AskAgain("Too many buyers are waiting. Ask again, or without wait.")
    }
    const known = this.#mayHoldUnknown() ? undefined : await this.ask(question)
    if (known === null) {
      throw new AskAgain("Too many requests wait for payments that are not known here. Ask again.")
    }
    if (known && (this.#isClosed || known.status !== "settling")) {
      return known
    }
    const { seen } = await this.#hold(question, ms, gone, known)
    if (!seen && !gone.aborted && (this.#isClosed || seen === undefined)) {
      throw new AskAgain("How the payment stands could not be read. Ask again.")
    }
    return seen ?? null
  }

  #mayHoldUnknown(): boolean {
    const unknown = [...this.#waiting].filter(({ seen }) => !seen)
    return unknown.length < this.#limits.unknown && !this.#isClosed
  }

  /** Something has become of payments. */
  readonly look = (): void => {
    this.#isLookWanted = true
    if (!this.#isLooking) {
      this.#lookAtAll()
    }
  }

  /** Answers all of them with what is known. */
  close(): void {
    this.#isClosed = true
    for (const { end } of this.#waiting) {
      end()
    }
  }

  async #hold(
    question: BuyersQuestion,
    ms: number,
    gone: AbortSignal,
    known: PaymentForBuyer | undefined,
  ): Promise<Waiting> {
    return await new Promise((resolve) => {
      const end = () => {
        clearTimeout(deadline)
        gone.removeEventListener("abort", end)
        this.#remove(waiting)
        resolve(waiting)
      }
      const waiting: Waiting = { question, seen: known, end }
      const deadline = setTimeout(end, gone.aborted ? 0 : ms)
      gone.addEventListener("abort", end)
      this.#waiting.add(waiting)
      this.#timer ??= setInterval(this.look, LOOK_EVERY_MS).unref()
      this.#ignoreSignals ??= whenAskedToStop(() => this.close())
      // After it was added: an outcome that is written from here on is heard of.
      this.look()
    })
  }

  #remove(waiting: Waiting): void {
    this.#waiting.delete(waiting)
    if (this.#waiting.size === 0) {
      clearInterval(this.#timer)
      this.#timer = undefined
      this.#ignoreSignals?.()
      this.#ignoreSignals = undefined
    }
  }

  /** One statement at a time; what is heard of meanwhile is read by the next one. */
  async #lookAtAll(): Promise<void> {
    this.#isLooking = true
    while (this.#isLookWanted && this.#waiting.size > 0) {
      this.#isLookWanted = false
      await this.#lookOnce([...this.#waiting])
      await timeout(READ_PAUSE_MS)
    }
    // In the same turn as the last look at the flag, or what is wanted in between would be forgotten.
    this.#isLooking = false
  }

  async #lookOnce(asked: Waiting[]): Promise<void> {
    const ids = [...new Set(asked.map(({ question }) => question.id))]
    // A database that is away is looked at again when the connection that listens is back, or in ten seconds.
    const rows = await within(READ_TIMEOUT_MS, this.#read(ids)).catch(() => null)
    for (const waiting of rows ? asked : []) {
      waiting.seen = paymentForBuyer(rows?.get(waiting.question.id), waiting.question)
      if (waiting.seen && waiting.seen.status !== "settling") {
        waiting.end()
      }
    }
  }
}
