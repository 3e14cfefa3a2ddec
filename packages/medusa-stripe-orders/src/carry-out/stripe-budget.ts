import type Stripe from "stripe"

/**
 * Stripe's limits as a budget: calls wait for their turn here instead of being refused there.
 *
 * Published (https://docs.stripe.com/rate-limits): 100 requests a second for an account in live mode, 25 in a sandbox,
 * 25 for each endpoint. The store asks Stripe for other things too, so a fifth of it is left to them. Each process
 * takes an equal share, slows down by half at a 429, and grows by one call a second for each second without one.
 *
 * Ours, since no kept library does all three: p-throttle and limiter have a fixed rate, rate-limiter-flexible has no
 * order of urgency, Bottleneck has had no release since 2019.
 */
const ACCOUNT_PER_SECOND = { live: 100, sandbox: 25 }
const ENDPOINT_PER_SECOND = 25
const OURS = 0.8

/** A refusal answers with a wait of its own where Stripe names one; else the limits, which are per second, suggest it. */
const RETRY_AFTER_MS = 1_000

const LONG_WAIT_MS = 10_000

/** Errors of the client that say nothing of the payment: https://docs.stripe.com/api/errors/handling */
const NO_ANSWER: ReadonlySet<string> = new Set([
  "StripeAPIError",
  "StripeConnectionError",
  "StripeAuthenticationError",
  "StripePermissionError",
])

/** A call that is refused for so long is given up for now; its payment comes again later. */
const LONGEST_WAIT_MS = 60_000

const ENDPOINTS = [
  "retrieve",
  "capture",
  "cancel",
  "refund",
  "list refunds",
  "list disputes",
  "list events",
  "list payments",
  "retrieve session",
  "list sessions",
  "list line items",
] as const

export type StripeEndpoint = (typeof ENDPOINTS)[number]

interface Call {
  endpoint: StripeEndpoint
  urgent: boolean
  since: number
  start: () => void
}

/** Refused by Stripe's limits for a minute: no failed attempt, only a wish to come again. */
export class StripeBusyError extends Error {
  override readonly name = "StripeBusyError"
}

interface Clock {
  now(): number
  after(ms: number, wake: () => void): void
}

const monotonic: Clock = {
  now: () => performance.now(),
  after: (ms, wake) => void setTimeout(wake, ms).unref(),
}

export class StripeBudget {
  readonly #account: Pace
  readonly #endpoints = new Map<StripeEndpoint, Pace>()
  readonly #waiting: Call[] = []
  readonly #clock: Clock
  #wakesAt = Number.POSITIVE_INFINITY
  /** since when no call has been answered, and by which kind of error; undefined where the last one was */
  #failing: { since: Date; kind: string } | undefined

  constructor({ livemode }: { livemode: boolean }, clock: Clock = monotonic) {
    this.#clock = clock
    this.#account = new Pace(OURS * ACCOUNT_PER_SECOND[livemode ? "live" : "sandbox"], clock.now())
    for (const endpoint of ENDPOINTS) {
      this.#endpoints.set(endpoint, new Pace(OURS * ENDPOINT_PER_SECOND, clock.now()))
    }
  }

  /** How many processes share the budget: each takes an equal part of it. */
  shareWith(workers: number): void {
    for (const pace of [this.#account, ...this.#endpoints.values()]) {
      pace.shareWith(workers)
    }
  }

  /**
   * Makes the call when its turn has come; urgent ones go before the others. A 429 is no error: the call waits, and is
   * made again.
   *
   * @throws StripeBusyError where Stripe has refused for a minute
   */
  async run<T>(endpoint: StripeEndpoint, call: () => Promise<T>, urgent = false): Promise<T> {
    const since = this.#clock.now()
    for (;;) {
      await this.#turn(endpoint, urgent, since)
      try {
        const answer = await call()
        this.#failing = undefined
        return answer
      } catch (error) {
        this.#note(error as Error)
        if (!isRefusal(error)) {
          throw error
        }
        this.#slowDown(endpoint, error)
        if (this.#clock.now() - since > LONGEST_WAIT_MS) {
          throw new StripeBusyError(`Stripe has refused for a minute: ${error.message}`, { cause: error })
        }
      }
    }
  }

  /** What an operator has to know of Stripe, in this process's eyes. */
  complaints(): string[] {
    const { since, kind } = this.#failing ?? {}
    const waited = this.#clock.now() - Math.min(...this.#waiting.map((call) => call.since))
    return [
      ...(since ? [`Stripe has not done what it was asked since ${since.toISOString()} (${kind})`] : []),
      ...(waited > LONG_WAIT_MS
        ? [
            `calls wait for Stripe's limits: ${this.#waiting.length}, the oldest for ${Math.round(waited / 1000)} s`,
          ]
        : []),
    ]
  }

  /** An error about one payment is an answer; one about the key, the network or Stripe itself is not. */
  #note(error: Error): void {
    const { name } = error.constructor
    this.#failing = NO_ANSWER.has(name) ? (this.#failing ?? { since: new Date(), kind: name }) : undefined
  }

  /** A call that was refused keeps its place: the queue is ordered by when a call came first. */
  #turn(endpoint: StripeEndpoint, urgent: boolean, since: number): Promise<void> {
    return new Promise((start) => {
      this.#waiting.push({ endpoint, urgent, since, start })
      this.#waiting.sort((a, b) => Number(b.urgent) - Number(a.urgent) || a.since - b.since)
      this.#startDue()
    })
  }

  #startDue(): void {
    const now = this.#clock.now()
    for (let i = 0; i < this.#waiting.length; ) {
      const { endpoint, start } = this.#waiting[i] as Call
      const pace = this.#endpoints.get(endpoint) as Pace
      if (Math.max(this.#account.readyAt(), pace.readyAt()) <= now) {
        this.#account.take(now)
        pace.take(now)
        this.#waiting.splice(i, 1)
        start()
      } else {
        i++
      }
    }
    this.#wakeForNext(now)
  }

  #wakeForNext(now: number): void {
    const next = Math.min(
      ...this.#waiting.map(({ endpoint }) =>
        Math.max(this.#account.readyAt(), (this.#endpoints.get(endpoint) as Pace).readyAt()),
      ),
    )
    if (next < this.#wakesAt) {
      this.#wakesAt = next
      this.#clock.after(Math.max(1, next - now), () => {
        this.#wakesAt = Number.POSITIVE_INFINITY
        this.#startDue()
      })
    }
  }

  #slowDown(endpoint: StripeEndpoint, error: Stripe.errors.StripeError): void {
    const reason = error.headers?.["stripe-rate-limited-reason"] ?? ""
    const pauseMs = Number(error.headers?.["retry-after"]) * 1000 || RETRY_AFTER_MS
    const pace = reason.startsWith("global") ? this.#account : (this.#endpoints.get(endpoint) as Pace)
    pace.slowDown(this.#clock.now(), pauseMs)
  }
}

/** A lock of Stripe's on the payment answers 429 too, but says nothing about the budget. */
function isRefusal(error: unknown): error is Stripe.errors.StripeError {
  const { statusCode, code } = error as Partial<Stripe.errors.StripeError>
  return statusCode === 429 && code !== "lock_timeout"
}

/** How far ahead of an even pace calls may be: some at once after a silence, a tenth of a second's worth. */
const BURST_MS = 100

/** Evenly spaced calls (the generic cell rate algorithm), at a rate that halves when refused and grows again. */
class Pace {
  readonly #ceiling: number
  #perSecond: number
  #workers = 1
  /** when the next call would come at an even pace */
  #next: number
  #grownAt: number
  #pausedUntil: number

  constructor(perSecond: number, now: number) {
    this.#ceiling = perSecond
    this.#perSecond = perSecond
    this.#next = now
    this.#grownAt = now
    this.#pausedUntil = now
  }

  shareWith(workers: number): void {
    this.#workers = workers
  }

  readyAt(): number {
    return Math.max(this.#next - BURST_MS, this.#pausedUntil)
  }

  take(now: number): void {
    const seconds = Math.max(0, now - this.#grownAt) / 1000
    this.#perSecond = Math.min(this.#ceiling, this.#perSecond + seconds)
    this.#grownAt = Math.max(this.#grownAt, now)
    this.#next = Math.max(this.#next, now) + (1000 * this.#workers) / this.#perSecond
  }

  /** Calls that were in flight together are refused together: that is one sign, not many. */
  slowDown(now: number, pauseMs: number): void {
    if (now < this.#pausedUntil) {
      return
    }
    this.#perSecond = Math.max(1, this.#perSecond / 2)
    this.#pausedUntil = now + pauseMs
    this.#grownAt = this.#pausedUntil
  }
}
