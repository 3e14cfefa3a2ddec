import type Stripe from "stripe"
import type { CheckoutSession } from "./checkout-session"
import { sessionIdOf } from "./source"

/** A payment that says nothing of what was bought. */
export interface Unsourced {
  /** this shop's; certainly another seller's in the same Stripe account; or not known */
  whose: "ours" | "others" | "unknown"
  reason: string
  /** Medusa cancels the intent of a session, then deletes the session: its events may be from before that. */
  mayBeCanceled: boolean
}

/** @param lost why sessions that were this shop's lead to nothing, by session */
export function whyUnsourced(
  intent: Stripe.PaymentIntent,
  lost: Map<string, string>,
  checkout: CheckoutSession | null,
): Unsourced {
  const session_id = sessionIdOf(intent, checkout)
  const invoice = invoiceOf(intent)
  const lostBecause = lost.get(session_id ?? "")
  if (lostBecause) {
    return { whose: "ours", reason: lostBecause, mayBeCanceled: true }
  }
  if (invoice) {
    return { whose: "others", reason: `it pays Stripe's invoice ${invoice}`, mayBeCanceled: false }
  }
  if (session_id?.startsWith("payses_")) {
    const reason = `payment session ${session_id} is of another shop: it is not known here`
    return { whose: "others", reason, mayBeCanceled: true }
  }
  const said = session_id
    ? `metadata.session_id is ${session_id}, which is no payment session here, it has no metadata.cart_id or items`
    : "it has no metadata.session_id, cart_id or items"
  return {
    whose: "unknown",
    reason: `the payment doesn't say what was bought: ${said}${ofCheckout(checkout)}, and no orderContent hook knows it`,
    mayBeCanceled: false,
  }
}

function ofCheckout(checkout: CheckoutSession | null): string {
  return checkout
    ? `, its Checkout Session ${checkout.id} has none either, and none of its lines names a variant (metadata variant_id or sku of the price or product, or a lookup key)`
    : ""
}

/**
 * The invoice that a payment is for, a subscription's too. Up to 2025-02-24.acacia an intent has it in `invoice`, later in
 * `payment_details.order_reference`, where a shop may also write what it likes.
 */
export function invoiceOf(intent: Stripe.PaymentIntent): string | null {
  const { invoice } = intent as { invoice?: string | { id: string } | null }
  const { order_reference } = intent.payment_details ?? {}
  const named = typeof invoice === "object" ? invoice?.id : invoice
  return named ?? (order_reference?.startsWith("in_") ? order_reference : null)
}
