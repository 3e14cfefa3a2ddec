import type Stripe from "stripe"

/** How new events are delivered; without a policy at once, once, and in the order in which they came about. */
export interface DeliveryPolicy {
  /** How many deliveries more than one. */
  duplicate?(event: Stripe.Event): number
  /** Milliseconds to wait before a delivery; `copy` is 0 for the first, 1 for its duplicate, and so on. */
  delay?(event: Stripe.Event, copy: number): number
  /** Kept back until `releaseHeld()`. */
  hold?(event: Stripe.Event): boolean
  /**
   * Replaces the event in every delivery, retries included: by one of another `api_version`, say, or with the
   * `account` of a Connect event. It is given a copy.
   */
  rewrite?(event: Stripe.Event): Stripe.Event
}

export interface Unruliness {
  /** The same seed gives the same choices, in the order in which events come about. */
  seed: number
  /** Share of events delivered twice (0.2). */
  twice?: number
  /** Share of deliveries that come late (0.2), and by how many milliseconds (1000). */
  late?: number
  lateBy?: number
  /** Every delivery waits up to this many milliseconds (100), so that they overtake each other. */
  shuffle?: number
}

/** Deliveries as a shop must expect them of Stripe: some twice, some late, in any order. */
export function unruly(options: Unruliness): DeliveryPolicy {
  const { seed, twice = 0.2, late = 0.2, lateBy = 1000, shuffle = 100 } = options
  const chance = randomNumbers(seed)
  return {
    duplicate: () => (chance() < twice ? 1 : 0),
    delay: () => chance() * shuffle + (chance() < late ? lateBy : 0),
  }
}

/** Mulberry32: seeded numbers from 0 to below 1, the same on every machine. */
function randomNumbers(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
