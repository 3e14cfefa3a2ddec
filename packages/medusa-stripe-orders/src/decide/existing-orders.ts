import type { MedusasPayment, OrderedPayment, SessionOfOrder } from "../medusa/medusa-was-first"
import { formatMinorUnits, toMinorUnits } from "../order-draft/amounts"
import type { PaidPayment } from "../order-draft/order-draft"
import type { Outcome } from "../payments/payments"
import type { Batch } from "./batch"

/** A payment never makes a second order: this one has made one before. */
export function hasOrder(batch: Batch, id: string, order_id: string): Outcome {
  const reason = `order ${order_id} was made of this payment before, and is no longer found by it`
  const line = { kind: "decision" as const, text: reason, data: { order_id } }
  return batch.outcome(id, "review", line, { reason })
}

/** A payment for an order that exists, and that nothing has been paid for in its session yet. */
export interface OrderPayment {
  payment: PaidPayment
  session: SessionOfOrder
  cart_id: string | null
}

export function isDue({ is_paid, payment_intent_id }: SessionOfOrder, id: string): boolean {
  return !is_paid && payment_intent_id === id
}

/** Money for an order is recorded where it is what its session asks for; else it needs review. */
export function isExact(
  batch: Batch,
  { payment, session, cart_id }: OrderPayment,
  outcomes: Outcome[],
): boolean {
  const { order_id, currency } = session
  const due = toMinorUnits(session.amount, currency)
  if (payment.currency === currency && payment.amount === due) {
    return true
  }
  const [paid, asked] = [formatMinorUnits(payment.amount, payment.currency), formatMinorUnits(due, currency)]
  const reason = `paid ${paid}, but ${asked} was asked for order ${order_id}`
  const line = { kind: "decision" as const, text: reason, data: { order_id, cart_id } }
  outcomes.push(batch.outcome(payment.id, "review", line, { reason, facts: { cart_id } }))
  return false
}

export function paidOrder(
  batch: Batch,
  { payment, session: { order_id, status }, cart_id }: OrderPayment,
  payment_id: string | undefined,
): Outcome {
  const now = new Date()
  // Cart completion announces its order at its end; one that waits for its payment has come to it.
  const hasDied = cart_id !== null && status !== "pending_authorization"
  const reason = hasDied
    ? "Medusa's own cart completion made the order, and ended before it recorded the payment"
    : "paid an order that existed before"
  const line = { kind: "decision" as const, text: reason, data: { order_id, cart_id } }
  return batch.outcome(payment.id, "ordered", line, {
    reason,
    facts: {
      order_id,
      cart_id,
      payment_id,
      ...(!hasDied && { placed_at: now }),
      ...(payment.status === "succeeded" && { captured_at: now }),
    },
  })
}

/**
 * Medusa compares no amounts when it completes a cart: it records what the session asks for, whatever the payment intent
 * was changed to. A payment of which a part is captured or refunded has the amount that was authorized.
 */
function otherAmount({ intent }: PaidPayment, { amount, currency }: MedusasPayment): string | null {
  const recorded = toMinorUnits(amount, currency)
  if (intent.currency === currency && intent.amount === recorded) {
    return null
  }
  const paid = formatMinorUnits(intent.amount, intent.currency)
  return `paid ${paid}, but Medusa recorded ${formatMinorUnits(recorded, currency)}`
}

/**
 * The order is this payment's where Medusa has a payment of this very payment intent on it. A payment session alone
 * proves nothing: a second intent may bear the same one.
 */
export function alreadyOrdered(
  batch: Batch,
  { payment, cart_id }: { payment: PaidPayment; cart_id: string | null },
  earlier: OrderedPayment | undefined,
  session: SessionOfOrder | undefined,
): Outcome {
  const { id } = payment
  const inSession = session?.payment && session.payment_intent_id === id ? session.payment : undefined
  const own = earlier?.payments.find(({ payment_intent_id }) => payment_intent_id === id) ?? inSession
  const order_id = earlier?.order_id ?? session?.order_id
  if (!order_id || !own) {
    const what = cart_id ? `cart ${cart_id}` : "the payment's session"
    const which = order_id ? `became order ${order_id}` : "is being ordered"
    const reason = `${what} ${which} with another payment: this one was paid as well`
    const line = { kind: "decision" as const, text: reason, data: { cart_id, order_id } }
    const to = batch.plugin.options.paidTwice === "refund" ? "refunding" : "review"
    return batch.outcome(id, to, line, { reason, facts: { cart_id } })
  }
  const reason = cart_id
    ? "Medusa's own cart completion made the order"
    : "Medusa recorded the payment itself"
  const now = new Date()
  // Medusa has announced its order; what follows is as for an order of ours.
  const facts = {
    order_id,
    cart_id,
    payment_id: own.id,
    placed_at: now,
    ...(own.captured && { captured_at: now }),
  }
  const wrong = otherAmount(payment, own)
  const text = wrong ? `${wrong} for order ${order_id}` : reason
  const line = { kind: "decision" as const, text, data: { order_id, cart_id } }
  return batch.outcome(id, wrong ? "review" : "ordered", line, { reason: text, facts })
}
