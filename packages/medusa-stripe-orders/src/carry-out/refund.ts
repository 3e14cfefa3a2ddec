import type Stripe from "stripe"
import { type Line, type Outcome, outcomeOf } from "../payments/payments"
import type { ClaimedPayment } from "../payments/queue"
import type { CarryOut } from "./context"
import { askOnce, orCurrent, retrieve } from "./stripe-calls"

/** No stock: an authorization is canceled, captured money is refunded. */
export async function refundOrCancel(work: CarryOut, payment: ClaimedPayment): Promise<Outcome> {
  const { status } = await retrieve(work.plugin, payment.id)
  return status === "succeeded" ? await refund(work, payment) : await cancel(work, payment)
}

async function refund({ plugin }: CarryOut, payment: ClaimedPayment): Promise<Outcome> {
  const { id, reason } = payment
  const done = (text: string, data: Line["data"]) =>
    outcomeOf(payment, "refunded", { kind: "stripe_call", text, data }, { reason })
  try {
    const { value, ids } = await askOnce(plugin, "refund", `holdfast-refund-${id}`, (options) =>
      plugin.stripe.refunds.create({ payment_intent: id, metadata: { reason: "out of stock" } }, options),
    )
    return done("Refunded", { refund_id: value.id, ...ids })
  } catch (error) {
    // Whatever the key is, Stripe doesn't refund the same charge again.
    const { code, requestId } = error as Stripe.errors.StripeError
    if (code !== "charge_already_refunded") {
      throw error
    }
    return done("Was refunded already", { request_id: requestId, code })
  }
}

async function cancel({ plugin }: CarryOut, payment: ClaimedPayment): Promise<Outcome> {
  const { id, reason } = payment
  const { value, ids } = await orCurrent(plugin, id, () =>
    askOnce(plugin, "cancel", `holdfast-cancel-${id}`, (options) =>
      plugin.stripe.paymentIntents.cancel(id, { cancellation_reason: "abandoned" }, options),
    ),
  )
  if (value.status !== "canceled") {
    throw new Error(`the authorization could not be canceled: it is ${value.status} in Stripe`)
  }
  return outcomeOf(payment, "canceled", { kind: "stripe_call", text: "Canceled", data: ids }, { reason })
}
