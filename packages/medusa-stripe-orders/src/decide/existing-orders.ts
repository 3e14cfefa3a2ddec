import { storeHooksCartCompletion } from "../medusa/complete-cart"
import {
  type MedusasPayment,
  type OrderedPayment,
  ordersWithoutStock,
  type SessionOfOrder,
} from "../medusa/medusa-was-first"
import type { StripeMoney } from "../medusa/money-rows"
import type { SharedTransaction } from "../medusa/shared-transaction"
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

/** Cart completion announces its order at its end; one that waits for its payment has come to it. */
function hasDied({ session: { status }, cart_id }: OrderPayment): boolean {
  return cart_id !== null && status !== "pending_authorization"
}

/** What a cart completion that died may have left undone, by order: its hooks are the store's, and can't be run again. */
export async function leftUndone(
  transaction: SharedTransaction,
  paid: OrderPayment[],
): Promise<Map<string, string>> {
  const orders = paid.filter(hasDied).map(({ session }) => session.order_id)
  const withoutStock = await ordersWithoutStock(transaction, orders)
  return new Map(
    orders.flatMap((id) => {
      const undone = [
        ...(withoutStock.has(id) ? ["its stock is not reserved"] : []),
        ...(storeHooksCartCompletion() ? ["the store's hooks may not have run"] : []),
      ]
      return undone.length > 0 ? [[id, undone.join(", and ")] as const] : []
    }),
  )
}

/**
 * The payment is recorded on the order. Where the cart completion that made the order died, a person sees first to what it
 * may have left undone, `undone`.
 */
export function paidOrder(
  batch: Batch,
  entry: OrderPayment,
  { payment_id, undone }: { payment_id: string | undefined; undone: string | null },
): Outcome {
  const now = new Date()
  const { payment, session, cart_id } = entry
  const { order_id } = session
  const isDead = hasDied(entry)
  const text = isDead
    ? "Medusa's own cart completion made the order, and ended before it recorded the payment"
    : "paid an order that existed before"
  const reason = undone ? `order ${order_id} was made by a cart completion that died: ${undone}` : text
  const line = { kind: "decision" as const, text: reason, data: { order_id, cart_id } }
  return batch.outcome(payment.id, undone ? "review" : "ordered", line, {
    reason,
    facts: {
      order_id,
      cart_id,
      payment_id,
      ...(!isDead && { placed_at: now }),
      ...(payment.status === "succeeded" && { captured_at: now }),
    },
  })
}

/**
 * Medusa compares no amounts when it completes a cart: it records what the session asks for, not what the payment intent
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

/** What is decided about a payment of an order that Medusa made, and the money that is to be shown on it now. */
interface KnownPayment {
  outcome: Outcome
  money: StripeMoney[]
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
): KnownPayment {
  const { id, intent } = payment
  const inSession = session?.payment && session.payment_intent_id === id ? session.payment : undefined
  const inCart = earlier?.payments.find(({ payment_intent_id }) => payment_intent_id === id)
  const own = inCart ?? inSession
  const order_id = earlier?.order_id ?? session?.order_id
  if (!order_id || !own) {
    return { outcome: paidAsWell(batch, id, cart_id, order_id), money: [] }
  }
  const how = cart_id ? "Medusa's own cart completion made the order" : "Medusa recorded the payment itself"
  const wrong = otherAmount(payment, own)
  // A manual capture is the admin's, who writes the order's transaction a moment after the capture, without the cart's lock.
  const isUntold = inCart?.untold === true && intent.capture_method !== "manual"
  const now = new Date()
  // Medusa has announced its order, unless its completion died; what follows is as for an order of ours.
  const facts = {
    order_id,
    cart_id,
    payment_id: own.id,
    ...(!isUntold && { placed_at: now }),
    ...(own.captured && { captured_at: now }),
  }
  const reason = wrong ? `${wrong} for order ${order_id}` : how
  const line = { kind: "decision" as const, text: reason, data: { order_id, cart_id } }
  const outcome = batch.outcome(id, wrong ? "review" : "ordered", line, { reason, facts })
  // While it waits for a person, the order shows what Stripe has captured, and not what Medusa believed.
  return { outcome, money: wrong || isUntold ? [{ payment_id: own.id, order_id, intent, isUntold }] : [] }
}

function paidAsWell(batch: Batch, id: string, cart_id: string | null, order_id: string | undefined): Outcome {
  const what = cart_id ? `cart ${cart_id}` : "the payment's session"
  const which = order_id ? `became order ${order_id}` : "is being ordered"
  const reason = `${what} ${which} with another payment: this one was paid as well`
  const line = { kind: "decision" as const, text: reason, data: { cart_id, order_id } }
  const to = batch.plugin.options.paidTwice === "refund" ? "refunding" : "review"
  return batch.outcome(id, to, line, { reason, facts: { cart_id } })
}
