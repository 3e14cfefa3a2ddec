import type { MedusaContainer } from "@medusajs/framework/types"
import { Modules, PaymentEvents } from "@medusajs/framework/utils"
import type Stripe from "stripe"
import { creditRefunds } from "../medusa/credit-lines"
import { type RecordedMoney, recordMoney } from "../medusa/money-rows"
import { clearFlag, flagOrder } from "../medusa/order-flags"
import { isCanceledInMedusa, isPaidFor } from "../medusa/order-standing"
import { inOneTransaction } from "../medusa/shared-transaction"
import { cancelOrder, releaseCanceled } from "../medusa/take-back"
import { formatMinorUnits } from "../order-draft/amounts"
import { isFreeSession } from "../order-draft/checkout-session"
import { withoutSecret } from "../payments/client-secret"
import { movedSince } from "../payments/inbox"
import {
  type Database,
  type Line,
  lockPayments,
  type Outcome,
  outcomeOf,
  type PaymentRow,
} from "../payments/payments"
import type { ClaimedPayment } from "../payments/queue"
import { DISPUTED, lasting } from "../payments/reasons"
import { chargeOf, hasFailed, sumOf } from "../stripe-objects"
import type { CarryOut } from "./context"
import { PENDING_RETRY_MS } from "./refund"
import { listDisputes, retrieveWithRefunds } from "./stripe-calls"

/** How long the shop's own cancellation may take after its refund. Stripe's times are whole seconds. */
const CANCELED_WITHIN_MS = 10_000

/** Of these payments, those that a refund, a dispute or a cancellation has come for: their orders must show it. */
export async function haveMoved(db: Database, payments: { id: string }[]): Promise<Set<string>> {
  return await movedSince(
    db,
    payments.map(({ id }) => ({ id, revision: 0 })),
  )
}

/** The state of a payment whose order is placed and paid. An order of a part may have taken the whole. */
export function whenPaid(
  { order_amount }: Pick<PaymentRow, "order_amount">,
  hasMoved: boolean,
): "completed" | "money_moved" {
  return hasMoved || order_amount !== null ? "money_moved" : "completed"
}

/** What the order is to take of the payment; minor units. */
export function dueOf(
  { order_amount }: Pick<PaymentRow, "order_amount">,
  { amount }: Stripe.PaymentIntent,
): number {
  return order_amount === null ? amount : Number(order_amount)
}

/** Why a person has to look: the rest of the money was never taken. */
export function partCaptured(
  payment: Pick<PaymentRow, "order_id" | "order_amount">,
  intent: Stripe.PaymentIntent,
): string {
  const { order_id } = payment
  const { amount_received, currency } = intent
  const [part, whole] = [amount_received, dueOf(payment, intent)].map((minor) =>
    formatMinorUnits(minor, currency),
  )
  return `order ${order_id} was made, but Stripe captured ${part} of ${whole}`
}

/** The shop canceled the order: what is left of the money goes back, as Medusa's own cancellation gives it back. */
export function takeBack(payment: ClaimedPayment): Outcome {
  const reason = `order ${payment.order_id} was canceled in Medusa`
  const line = { kind: "decision" as const, text: reason, data: { order_id: payment.order_id } }
  return outcomeOf(payment, "refunding", line, { reason })
}

/**
 * Makes the order show what moved in Stripe since it was paid: captures, refunds and disputes. What Stripe's events say
 * is not needed: all of it is read anew, and only what the order doesn't show yet is written.
 */
export async function recordMovedMoney(work: CarryOut, payment: ClaimedPayment): Promise<Outcome | null> {
  const outcome = isFreeSession(payment.id)
    ? await withoutMoney(work, payment)
    : await recordMoneyOf(work, payment)
  return outcome && resumed(payment, outcome)
}

/** A person's verdict stands until a person changes it, though the order shows the money now. */
function resumed({ resume_to, resume_reason }: ClaimedPayment, outcome: Outcome): Outcome {
  return resume_to && outcome.to === "completed"
    ? { ...outcome, to: resume_to, reason: resume_reason }
    : outcome
}

/** A Checkout Session of 0: no money moves, and an order that was canceled has nothing to give back. */
async function withoutMoney(work: CarryOut, payment: ClaimedPayment): Promise<Outcome> {
  const { order_id, reason } = payment
  const line = { kind: "decision" as const, text: "Nothing was charged, and nothing goes back" }
  if (await isCanceledInMedusa(work.db, payment)) {
    await releaseCanceled(work.container, order_id)
    return outcomeOf(payment, "canceled", line, { reason: `order ${order_id} was canceled in Medusa` })
  }
  return outcomeOf(payment, "completed", line, { reason: lasting(reason) })
}

async function recordMoneyOf(work: CarryOut, payment: ClaimedPayment): Promise<Outcome | null> {
  const { intent, refunds } = await retrieveWithRefunds(work.plugin, payment.id)
  if (!payment.payment_id) {
    return await withoutPayment(work, payment, intent)
  }
  const isCanceled = await isCanceledInMedusa(work.db, payment)
  const disputes = chargeOf(intent)?.disputed ? await listDisputes(work.plugin, payment.id) : []
  if (isCanceled && keptOf(intent, refunds) - lostIn(disputes) > 0) {
    return takeBack(payment)
  }
  const written = await record(work, payment, { intent, refunds, dispute: disputes[0] })
  if (!written) {
    return null
  }
  if (isCanceled) {
    return await takenBack(work, payment)
  }
  await creditRefunds(work.container, payment)
  const isGone = intent.amount_received > 0 && refundedOf(refunds) >= intent.amount_received
  if (isGone && work.plugin.options.orderWithoutMoney === "cancel") {
    const due_in_ms = untilCancel(refunds)
    if (due_in_ms > 0) {
      const line = {
        kind: "decision" as const,
        text: "All of the money was refunded: the order will be canceled, unless the shop cancels it first",
      }
      return outcomeOf(payment, "money_moved", line, { due_in_ms, reason: payment.reason })
    }
    if (await cancelOrder(work.container, payment.order_id)) {
      return await takenBack(work, payment)
    }
  }
  if (
    !isOpen(disputes[0]) &&
    payment.order_amount !== null &&
    keptOf(intent, refunds) > Number(payment.order_amount)
  ) {
    return restGoesBack(payment)
  }
  return outcome(payment, written, intent, disputes[0])
}

function restGoesBack(payment: ClaimedPayment): Outcome {
  const text = "The order is of what was in stock: the rest of the money goes back"
  const line = { kind: "decision" as const, text, data: { order_id: payment.order_id } }
  return outcomeOf(payment, "refunding_rest", line, { reason: payment.reason })
}

/** Medusa made the order while a slow payment was on its way, and the payment failed. */
async function withoutPayment(
  { container, db, plugin }: CarryOut,
  payment: ClaimedPayment,
  intent: Stripe.PaymentIntent,
): Promise<Outcome> {
  const order_id = payment.order_id ?? ""
  const line = (text: string): Line => ({ kind: "decision", text, data: { order_id } })
  if (await isCanceledInMedusa(db, payment)) {
    return takeBack(payment)
  }
  if (intent.status !== "canceled" && intent.status !== "requires_payment_method") {
    await inOneTransaction(container, (transaction) =>
      clearFlag(transaction, order_id, "stripe_payment_failed"),
    )
    // The row may have a snapshot of the failure, by which it would be decided again.
    return outcomeOf(payment, "pending", line(`Is decided about again: it is ${intent.status} in Stripe`), {
      facts: { snapshot: JSON.stringify(withoutSecret(intent)) },
    })
  }
  if (await isPaidFor(db, order_id)) {
    const reason = `order ${order_id} was paid otherwise`
    return outcomeOf(payment, "void", line(reason), { reason })
  }
  const why = intent.last_payment_error?.message ?? intent.cancellation_reason ?? intent.status
  const reason = `order ${order_id} was placed while its payment was processing, and the payment failed: ${why}`
  await inOneTransaction(container, (transaction) =>
    flagOrder(transaction, order_id, "stripe_payment_failed", { id: payment.id, why }),
  )
  if (plugin.options.orderWithoutMoney === "cancel" && (await cancelOrder(container, order_id))) {
    const text = `${reason}; the order was canceled`
    // The buyer could pay it again, so it is canceled in Stripe too.
    return outcomeOf(payment, "refunding", line(text), { reason: text })
  }
  return outcomeOf(payment, "review", line(reason), { reason })
}

interface Moved {
  intent: Stripe.PaymentIntent
  refunds: Stripe.Refund[]
  /** the newest */
  dispute: Stripe.Dispute | undefined
}

/** Null where the payment is another worker's by now: it records the same. */
async function record(
  { container }: CarryOut,
  payment: ClaimedPayment,
  { intent, refunds, dispute }: Moved,
): Promise<RecordedMoney | null> {
  return await inOneTransaction(container, async (transaction) => {
    const rows = await lockPayments(transaction.sql, [payment.id])
    if (rows.get(payment.id)?.claim !== payment.claim) {
      return null
    }
    const recorded = await recordMoney(container, transaction, [{ ...payment, intent, refunds }])
    if (dispute) {
      const { id, status, reason, amount, currency } = dispute
      await flagOrder(transaction, payment.order_id, "stripe_dispute", {
        id,
        status,
        reason,
        amount,
        currency,
      })
    }
    const written = recorded.get(payment.payment_id ?? "")
    if (!written) {
      throw new Error(`order ${payment.order_id} has no payment ${payment.payment_id} in Medusa any more`)
    }
    await tell(container, payment, written)
    return written
  })
}

/** Medusa's own events: a store that listens to them hears of what was done in Stripe as well. */
async function tell(container: MedusaContainer, { payment_id }: ClaimedPayment, written: RecordedMoney) {
  const names = [
    ...(written.captured > 0 ? [PaymentEvents.CAPTURED] : []),
    ...(written.refunded.length > 0 ? [PaymentEvents.REFUNDED] : []),
  ]
  if (names.length > 0) {
    await container.resolve(Modules.EVENT_BUS).emit(
      names.map((name) => ({ name, data: { id: payment_id } })),
      {},
    )
  }
}

function outcome(
  payment: ClaimedPayment,
  written: RecordedMoney,
  intent: Stripe.PaymentIntent,
  dispute: Stripe.Dispute | undefined,
): Outcome {
  const { order_id } = payment
  const sum = (minor: number) => formatMinorUnits(minor, intent.currency)
  const data = { order_id, refund_ids: written.refunded.map(({ id }) => id), dispute_id: dispute?.id }
  const line = (text: string): Line => ({ kind: "stripe_call", text, data })
  const [failed] = written.failed as Stripe.Refund[]
  if (failed) {
    const why = failed.failure_reason ?? failed.status
    const reason = `refund ${failed.id} of ${sum(failed.amount)} failed in Stripe (${why}): the buyer has not got it, and order ${order_id} no longer shows it`
    return outcomeOf(payment, "review", line(reason), { reason })
  }
  if (dispute && isOpen(dispute)) {
    const reason = `${DISPUTED}${sum(dispute.amount)} of order ${order_id} (${dispute.reason}): dispute ${dispute.id} is ${dispute.status}`
    return outcomeOf(payment, "disputed", line(reason), { reason })
  }
  if (dispute?.status === "lost") {
    const reason = `the dispute ${dispute.id} is lost: the bank gave the buyer ${sum(dispute.amount)} of order ${order_id} back`
    return outcomeOf(payment, "review", line(reason), { reason })
  }
  if (intent.amount_received < dueOf(payment, intent)) {
    const reason = partCaptured(payment, intent)
    return outcomeOf(payment, "review", line(reason), { reason })
  }
  const text = [
    ...(written.captured > 0 ? [`captured ${sum(written.captured)}`] : []),
    ...written.refunded.map(({ id, amount }) => `refund ${id} of ${sum(amount)}`),
    ...written.pending.map(({ id, amount, status }) => `refund ${id} of ${sum(amount)} is ${status}`),
    ...(dispute ? [`the dispute ${dispute.id} is ${dispute.status}`] : []),
  ].join(", ")
  const recorded = line(text ? `Recorded on the order: ${text}` : "Nothing new: the order and Stripe agree")
  return written.pending.length > 0
    ? outcomeOf(payment, "money_moved", recorded, { due_in_ms: PENDING_RETRY_MS, reason: payment.reason })
    : outcomeOf(payment, "completed", recorded, { reason: lasting(payment.reason) })
}

async function takenBack({ container }: CarryOut, payment: ClaimedPayment): Promise<Outcome> {
  const { order_id } = payment
  await releaseCanceled(container, order_id)
  const reason = `order ${order_id} was canceled in Medusa`
  const line = { kind: "decision" as const, text: `The money was given back: ${reason}`, data: { order_id } }
  return outcomeOf(payment, "refunded", line, { reason })
}

/** What the shop has of the buyer's, or may take; minor units. A refund that is pending is on its way. */
function keptOf(
  { amount_received, amount_capturable }: Stripe.PaymentIntent,
  refunds: Stripe.Refund[],
): number {
  return amount_capturable + amount_received - sumOf(refunds.filter((refund) => !hasFailed(refund)))
}

/** The bank has given it to the buyer; minor units. */
function lostIn(disputes: Stripe.Dispute[]): number {
  return sumOf(disputes.filter(({ status }) => status === "lost"))
}

/**
 * Milliseconds until the shop's own cancellation, which refunds first, must have ended. Two cancellations at once left 4 of 6
 * canceled orders with their reservations.
 */
function untilCancel(refunds: Stripe.Refund[]): number {
  const newest = Math.max(...refunds.map(({ created }) => created * 1000))
  return newest + CANCELED_WITHIN_MS - Date.now()
}

/** https://docs.stripe.com/api/disputes/object#dispute_object-status */
function isOpen(dispute: Stripe.Dispute | undefined): boolean {
  const open = ["needs_response", "under_review", "warning_needs_response", "warning_under_review"]
  return dispute !== undefined && open.includes(dispute.status)
}

function refundedOf(refunds: Stripe.Refund[]): number {
  return sumOf(refunds.filter(({ status }) => status === "succeeded"))
}
