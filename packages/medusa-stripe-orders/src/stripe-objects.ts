import type Stripe from "stripe"

/** What Stripe's objects say, where several parts of the plugin ask the same. */

/** The latest charge of a payment intent, where it was expanded. */
export function chargeOf({
  latest_charge,
}: Pick<Stripe.PaymentIntent, "latest_charge">): Stripe.Charge | null {
  return typeof latest_charge === "object" ? latest_charge : null
}

/** https://docs.stripe.com/api/refunds/object#refund_object-status */
interface RefundStatus {
  status: string | null
}

/** Neither done nor failed yet. */
export function isPending({ status }: RefundStatus): boolean {
  return status === "pending" || status === "requires_action"
}

/** The money is the shop's again. */
export function hasFailed({ status }: RefundStatus): boolean {
  return status === "failed" || status === "canceled"
}

/** The sum of refunds, minor units. */
export function sumOf(refunds: { amount: number }[]): number {
  return refunds.reduce((sum, { amount }) => sum + amount, 0)
}
