import type Stripe from "stripe"
import type { PaidPayment } from "../order-draft/order-draft"
import { chargeOf } from "../stripe-objects"

/** How a payment stands, by its payment intent. */
export type Standing =
  | { kind: "paid"; payment: Omit<PaidPayment, "checkout"> }
  | { kind: "void"; reason: string }
  | { kind: "unpaid"; status: Stripe.PaymentIntent.Status }

export function standingOf(intent: Stripe.PaymentIntent): Standing {
  if (intent.status === "canceled") {
    return { kind: "void", reason: "canceled in Stripe before an order was made" }
  }
  const charge = chargeOf(intent)
  if (charge?.refunded) {
    return { kind: "void", reason: "refunded in Stripe before an order was made" }
  }
  if (intent.status !== "succeeded" && intent.status !== "requires_capture") {
    return { kind: "unpaid", status: intent.status }
  }
  const captured = intent.status === "succeeded"
  const amount = captured ? intent.amount_received - (charge?.amount_refunded ?? 0) : intent.amount_capturable
  return {
    kind: "paid",
    payment: {
      id: intent.id,
      status: captured ? "succeeded" : "requires_capture",
      amount,
      currency: intent.currency,
      intent,
    },
  }
}
