import type Stripe from "stripe"

/** A payment that says nothing of what was bought. */
export interface Unsourced {
  /** this shop's; certainly another seller's in the same Stripe account; or not known */
  whose: "ours" | "others" | "unknown"
  reason: string
  /** Medusa cancels the intent of a session, then deletes the session: its events may be from before that. */
  mayBeCanceled: boolean
}

/** @param lost why sessions that were this shop's lead to nothing, by session */
export function whyUnsourced(intent: Stripe.PaymentIntent, lost: Map<string, string>): Unsourced {
  const { session_id } = intent.metadata
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
    reason: `the payment doesn't say what was bought: ${said}, and no orderContent hook knows it`,
    mayBeCanceled: false,
  }
}

/**
 * The invoice that a payment is for, a subscription's too. Up to 2025-02-24.acacia an intent has it in `invoice`, later in
 * `payment_details.order_reference`, where a shop may also write what it likes.
 */
function invoiceOf(intent: Stripe.PaymentIntent): string | null {
  const { invoice } = intent as { invoice?: string | { id: string } | null }
  const { order_reference } = intent.payment_details ?? {}
  const named = typeof invoice === "object" ? invoice?.id : invoice
  return named ?? (order_reference?.startsWith("in_") ? order_reference : null)
}
