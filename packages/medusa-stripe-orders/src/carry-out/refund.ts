import type Stripe from "stripe"
import { markCanceled } from "../medusa/order-standing"
import { formatMinorUnits } from "../order-draft/amounts"
import { isFreeSession } from "../order-draft/checkout-session"
import { type Database, type Outcome, outcomeOf, readTimeline } from "../payments/payments"
import type { ClaimedPayment } from "../payments/queue"
import { chargeOf, hasFailed, sumOf } from "../stripe-objects"
import type { CarryOut } from "./context"
import { type Answer, askOnce, orCurrent, retrieveWithRefunds } from "./stripe-calls"

/** A refund that is pending is looked at again after a day, if no event comes before. */
export const PENDING_RETRY_MS = 86_400_000

/** https://docs.stripe.com/metadata#data */
const LONGEST_METADATA = 500

/** There is no order, or it was canceled: an authorization is canceled, captured money is refunded. */
export async function refundOrCancel(work: CarryOut, payment: ClaimedPayment): Promise<Outcome> {
  if (isFreeSession(payment.id)) {
    const { reason } = payment
    return outcomeOf(payment, "canceled", { kind: "decision", text: "Nothing was charged" }, { reason })
  }
  const { intent, refunds } = await retrieveWithRefunds(work.plugin, payment.id)
  if (intent.status === "succeeded") {
    return await refund(work, payment, { intent, refunds, amount: intent.amount_received })
  }
  return intent.status === "canceled" ? await canceled(work, payment, {}) : await cancel(work, payment)
}

/** The order was made of what was in stock: what was paid for the rest is refunded. */
export async function refundRest(work: CarryOut, payment: ClaimedPayment): Promise<Outcome> {
  const { intent, refunds } = await retrieveWithRefunds(work.plugin, payment.id)
  const amount = Math.max(0, intent.amount_received - Number(payment.order_amount ?? intent.amount_received))
  return await refund(work, payment, { intent, refunds, amount })
}

interface Wanted {
  intent: Stripe.PaymentIntent
  refunds: Stripe.Refund[]
  /** minor units: what is to be refunded in all */
  amount: number
}

/**
 * Refunds what is not refunded yet. A refund is what Stripe says it is: one that is pending is waited for; one that failed,
 * also days later, has given the money back to the shop's balance and needs review. A retry then makes a new one.
 */
async function refund(
  { plugin, db }: CarryOut,
  payment: ClaimedPayment,
  { intent, refunds, amount }: Wanted,
): Promise<Outcome> {
  const failed = refunds.filter(hasFailed)
  const told = failed.length > 0 ? await reviewedRefunds(db, payment.id) : new Set()
  const failedNow = failed.find(({ id }) => !told.has(id))
  const live = refunds.filter((refund) => !hasFailed(refund))
  if (failedNow) {
    return failedToRefund(payment, failedNow)
  }
  if (sumOf(live) >= amount) {
    return standing(payment, live, {})
  }
  // A key of its own after each failure: for a day Stripe would answer with the refund that failed.
  const key = [
    `holdfast-${payment.status === "refunding" ? "refund" : "refund-rest"}-${payment.id}`,
    ...failed.map(({ id }) => id).sort(),
  ].join("-")
  const { value, ids } = await askOnce(plugin, "refund", key, (options) =>
    plugin.stripe.refunds.create(
      {
        payment_intent: payment.id,
        ...(payment.status === "refunding_rest" && { amount: amount - sumOf(live) }),
        metadata: { reason: payment.reason?.slice(0, LONGEST_METADATA) ?? "no order" },
        ...sharesOf(intent),
      },
      options,
    ),
  )
  return hasFailed(value) ? failedToRefund(payment, value) : standing(payment, [value, ...live], ids)
}

/** What others got of the payment comes back with it: the seller's transfer, and the platform's fee. */
function sharesOf(
  intent: Stripe.PaymentIntent,
): Pick<Stripe.RefundCreateParams, "reverse_transfer" | "refund_application_fee"> {
  const charge = chargeOf(intent)
  return {
    ...((charge?.transfer || charge?.transfer_data) && { reverse_transfer: true }),
    ...(charge?.application_fee && { refund_application_fee: true }),
  }
}

function standing(payment: ClaimedPayment, refunds: Stripe.Refund[], ids: Answer<unknown>["ids"]): Outcome {
  const { reason } = payment
  const data = { refund_id: refunds[0]?.id, ...ids }
  const pending = refunds.find(({ status }) => status !== "succeeded")
  if (!pending) {
    // An order that was canceled shows the refund.
    const to = payment.order_id && payment.payment_id ? "money_moved" : "refunded"
    return outcomeOf(payment, to, { kind: "stripe_call", text: "Refunded", data }, { reason })
  }
  const text = `The refund is ${pending.status} in Stripe`
  return outcomeOf(
    payment,
    payment.status,
    { kind: "stripe_call", text, data },
    { reason, due_in_ms: PENDING_RETRY_MS },
  )
}

function failedToRefund(
  payment: ClaimedPayment,
  { id, amount, currency, status, failure_reason }: Stripe.Refund,
): Outcome {
  const why = failure_reason ?? status
  const reason = `the buyer is still owed ${formatMinorUnits(amount, currency)}: refund ${id} failed in Stripe (${why}); before, ${payment.reason}`
  const line = { kind: "stripe_call" as const, text: reason, data: { refund_id: id } }
  return outcomeOf(payment, "review", line, { reason })
}

/** The failed refunds that a person has been told of before. */
async function reviewedRefunds(db: Database, id: string): Promise<Set<unknown>> {
  const lines = await readTimeline(db, id)
  return new Set(lines.flatMap(({ status, data }) => (status === "review" ? [data?.refund_id] : [])))
}

async function cancel(work: CarryOut, payment: ClaimedPayment): Promise<Outcome> {
  const { plugin } = work
  const { id } = payment
  const { value, ids } = await orCurrent(plugin, id, () =>
    askOnce(plugin, "cancel", `holdfast-cancel-${id}`, (options) =>
      plugin.stripe.paymentIntents.cancel(id, { cancellation_reason: "abandoned" }, options),
    ),
  )
  if (value.status !== "canceled") {
    throw new Error(`the authorization could not be canceled: it is ${value.status} in Stripe`)
  }
  return await canceled(work, payment, ids)
}

async function canceled(
  { db }: CarryOut,
  payment: ClaimedPayment,
  ids: Answer<unknown>["ids"],
): Promise<Outcome> {
  const { payment_id, reason } = payment
  await markCanceled(db, payment_id)
  return outcomeOf(payment, "canceled", { kind: "stripe_call", text: "Canceled", data: ids }, { reason })
}
