import { ApiError } from "./errors.js"

/** The budgets that Stripe publishes for an account in live mode and in a sandbox. */
export type Limits = "live" | "sandbox"

/**
 * What `Stripe-Rate-Limited-Reason` says. Stripe also documents `global-concurrency` and `endpoint-concurrency`,
 * but not how many requests at a time those allow, so they are never refused here.
 */
export type LimitReason = "global-rate" | "endpoint-rate" | "resource-specific"

/** One call as the limits see it: the endpoint is a method and a route, whatever the id in the path. */
export interface LimitedCall {
  endpoint: string
  id: string | undefined
}

// https://docs.stripe.com/rate-limits: requests a second, and update requests an hour for one payment intent.
const ACCOUNT = { live: 100, sandbox: 25 }
const ENDPOINT = 25
const UPDATES = 1_000
const SECOND = 1_000
const HOUR = 60 * 60 * SECOND

const UPDATE = "POST /v1/payment_intents/:id"

const LEARN_MORE = "You can learn more about rate limits here https://stripe.com/docs/rate-limits."
const MESSAGES = {
  live: `Request rate limit exceeded. ${LEARN_MORE}`,
  sandbox: `Testmode request rate limit exceeded, the rate limits in testmode are lower than livemode. ${LEARN_MORE}`,
}

/**
 * 429 as Stripe sends it. No `Retry-After`: Stripe sends none, and asks for exponential backoff with jitter.
 * No idempotency key remembers it, since the endpoint has not begun.
 */
export function rateLimited(reason: LimitReason, mode: Limits = "live"): ApiError {
  const body = { type: "invalid_request_error", code: "rate_limit", message: MESSAGES[mode] } as const
  return new ApiError(429, body, false, { "Stripe-Rate-Limited-Reason": reason })
}

/** The times of the last `most` admitted calls: one more fits once the oldest of them is a span ago. */
class SlidingWindow {
  readonly #times: number[] = []
  #oldest = 0

  constructor(
    readonly most: number,
    readonly span: number,
  ) {}

  full(now: number): boolean {
    const oldest = this.#times[this.#oldest]
    return oldest !== undefined && now - oldest < this.span
  }

  /** Overwrites the oldest time, which is over once the window is not full. */
  add(now: number): void {
    this.#times[this.#oldest] = now
    this.#oldest = (this.#oldest + 1) % this.most
  }
}

/**
 * Counts the shop's calls against the published limits. Stripe does not publish how it measures a second. A sliding
 * window admits no more than the limit in any second, wherever it begins: what passes here also passes fixed seconds
 * and a token bucket that holds one second's worth. Refused calls do not count.
 */
export class RateLimiter {
  readonly #account: SlidingWindow
  readonly #endpoints = new Map<string, SlidingWindow>()
  readonly #updates = new Map<string, SlidingWindow>()

  /** `clock` is monotonic, in milliseconds. */
  constructor(
    readonly mode: Limits,
    readonly clock: () => number,
  ) {
    this.#account = new SlidingWindow(ACCOUNT[mode], SECOND)
  }

  /** The reason to refuse this call; without one the call was counted. */
  refuses(call: LimitedCall): LimitReason | undefined {
    const now = this.clock()
    const windows = this.#windows(call)
    for (const [reason, window] of windows) if (window.full(now)) return reason
    for (const [, window] of windows) window.add(now)
    return undefined
  }

  #windows({ endpoint, id }: LimitedCall): [LimitReason, SlidingWindow][] {
    const windows: [LimitReason, SlidingWindow][] = [
      ["global-rate", this.#account],
      ["endpoint-rate", entry(this.#endpoints, endpoint, ENDPOINT, SECOND)],
    ]
    if (endpoint === UPDATE && id) {
      windows.push(["resource-specific", entry(this.#updates, id, UPDATES, HOUR)])
    }
    return windows
  }
}

function entry(windows: Map<string, SlidingWindow>, key: string, most: number, span: number): SlidingWindow {
  let window = windows.get(key)
  if (!window) {
    window = new SlidingWindow(most, span)
    windows.set(key, window)
  }
  return window
}
