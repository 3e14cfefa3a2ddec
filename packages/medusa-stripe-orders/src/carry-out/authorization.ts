import type Stripe from "stripe"
import { chargeOf } from "../stripe-objects"

/** An authorization lasts for seven days, most of them; then Stripe cancels it. https://docs.stripe.com/payments/place-a-hold-on-a-payment-method */
const AUTHORIZED_FOR_MS = 7 * 86_400_000

/** In Unix milliseconds. */
export function authorizationEnd(intent: Stripe.PaymentIntent): number {
  const before = chargeOf(intent)?.payment_method_details?.card?.capture_before
  return before ? before * 1000 : intent.created * 1000 + AUTHORIZED_FOR_MS
}

const WARN_BEFORE_MS = 86_400_000
const HOUR_MS = 3_600_000

/** When an authorization that ends at `end` is looked at again, and whether the shop is to be warned now; milliseconds. */
export function nextLook(end: number, now: number): { due_in_ms: number; isEnding: boolean } {
  const isEnding = end - now <= WARN_BEFORE_MS
  return { isEnding, due_in_ms: Math.max(HOUR_MS, end - now - (isEnding ? 0 : WARN_BEFORE_MS)) }
}
