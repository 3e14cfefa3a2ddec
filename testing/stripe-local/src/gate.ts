import type { ApiRequest } from "./faults.js"
import { Faults } from "./faults.js"
import { type Limits, RateLimiter } from "./limits.js"

/** The secret keys that are let in. */
export interface ApiKeys {
  shop: string
  driver: string
}

/** What all accounts' calls pass: keys, rate limits, faults and the request log. */
export class Gate {
  readonly faults = new Faults()
  readonly requests: ApiRequest[] = []
  limiter: RateLimiter | undefined

  constructor(
    readonly keys: ApiKeys,
    readonly clock: () => number,
  ) {}

  get limits(): Limits | undefined {
    return this.limiter?.mode
  }

  /** Begins with a full budget. */
  set limits(mode: Limits | undefined) {
    this.limiter = mode && new RateLimiter(mode, this.clock)
  }
}
