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

/**
 * The refunds that gave money back. Up to API version 2025-03-31.basil what was authorized and not captured was a refund of
 * the charge too, and Stripe's accounts of before may still have it so: it is no money of the buyer's that the shop had.
 */
export function moneyBack(charge: Stripe.Charge | null, refunds: Stripe.Refund[]): Stripe.Refund[] {
  const released = releasedOf(charge)
  const release = refunds.find(
    ({ amount, balance_transaction }) => amount === released && !balance_transaction,
  )
  return released > 0 && release ? refunds.filter((refund) => refund !== release) : refunds
}

/** What was authorized and not captured, once the rest was; minor units. */
export function releasedOf(charge: Stripe.Charge | null): number {
  return charge?.captured ? charge.amount - charge.amount_captured : 0
}

/** The sum of refunds, minor units. */
export function sumOf(refunds: { amount: number }[]): number {
  return refunds.reduce((sum, { amount }) => sum + amount, 0)
}
