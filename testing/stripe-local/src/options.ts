import type { Limits } from "./limits.js"

export interface StripeLocalOptions {
  /** 0, the default, takes any free port. */
  port?: number
  host?: string
  /** The account's version of the API, for events and for what depends on it; by default the official package's. */
  apiVersion?: string
  /** The one secret key that is let in ("sk_test_local"). */
  apiKey?: string
  /** Keeps the state over restarts: read at start, written shortly after changes and on close. */
  stateFile?: string
  /** Milliseconds before each further try of a delivery; as many retries as there are numbers. */
  retryDelays?: number[]
  /** Milliseconds after which a webhook without an answer counts as failed (10,000). */
  deliveryTimeout?: number
  /** Enforces Stripe's published rate limits on the shop's calls; none without it. */
  limits?: Limits
  /** What the rate limits measure time by, in milliseconds (`performance.now`): a test's own needs no waiting. */
  clock?: () => number
}
