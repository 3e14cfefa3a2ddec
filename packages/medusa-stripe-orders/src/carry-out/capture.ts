import type { Logger } from "@medusajs/framework/types"
import { ContainerRegistrationKeys } from "@medusajs/framework/utils"
import type Stripe from "stripe"
import { Gatherer } from "../gatherer"
import { recordMoney } from "../medusa/money-rows"
import { canceledInMedusa, isCanceledInMedusa, keepOrders } from "../medusa/order-standing"
import { inOneTransaction } from "../medusa/shared-transaction"
import { applyOutcomes, lockPayments, type Outcome, outcomeOf } from "../payments/payments"
import type { ClaimedPayment } from "../payments/queue"
import { CAPTURE_SOON, lasting } from "../payments/reasons"
import { authorizationEnd, nextLook } from "./authorization"
import { askBeforeCapture } from "./before-capture"
import type { CarryOut } from "./context"
import { dueOf, haveMoved, partCaptured, takeBack, whenPaid } from "./money-moved"
import { type Answer, askOnce, orCurrent, retrieve } from "./stripe-calls"

/**
 * Takes the authorized money, or sees that the shop has: the order's payment is captured in Medusa when it is in Stripe.
 * The row waits with its claim while Stripe is asked; what Stripe answered is written with Medusa's rows at once.
 */
export async function capture(work: CarryOut, payment: ClaimedPayment): Promise<Outcome | null> {
  const { plugin } = work
  if (await isCanceledInMedusa(work.db, payment)) {
    return takeBack(payment)
  }
  const isOurs = payment.status === "ordered"
  const refused = isOurs ? await askBeforeCapture(work, payment) : null
  if (refused) {
    return refused
  }
  const answer: Answer<Stripe.PaymentIntent> = isOurs
    ? await orCurrent(plugin, payment.id, () =>
        askOnce(plugin, "capture", `holdfast-capture-${payment.id}`, (options) =>
          plugin.stripe.paymentIntents.capture(payment.id, partOf(payment), options),
        ),
      )
    : { value: await retrieve(plugin, payment.id), ids: {} }
  if (answer.value.status === "succeeded") {
    return await captured(work, payment, answer)
  }
  if (!isOurs && answer.value.status === "requires_capture") {
    return stillAuthorized(work, payment, answer.value)
  }
  return (await isCanceledInMedusa(work.db, payment)) ? takeBack(payment) : lost(payment, answer)
}

/** An order that was made of a part of what was authorized takes its part; Stripe gives the rest back by itself. */
function partOf({ order_amount }: ClaimedPayment): Stripe.PaymentIntentCaptureParams {
  return order_amount === null ? {} : { amount_to_capture: Number(order_amount) }
}

interface Captured {
  payment: ClaimedPayment
  answer: Answer<Stripe.PaymentIntent>
}

/**
 * Writes what Stripe captured, with Medusa's rows. Answers that come while others are written are written together: by
 * itself each costs the Order Module 30 ms of CPU.
 */
async function captured(
  work: CarryOut,
  payment: ClaimedPayment,
  answer: Answer<Stripe.PaymentIntent>,
): Promise<null> {
  await recorderOf(work).add({ payment, answer })
  return null
}

const recorders = new WeakMap<CarryOut, Gatherer<Captured>>()

function recorderOf(work: CarryOut): Gatherer<Captured> {
  const recorder = recorders.get(work) ?? new Gatherer<Captured>((captures) => record(work, captures))
  recorders.set(work, recorder)
  return recorder
}

async function record({ container, actor }: CarryOut, captures: Captured[]): Promise<void> {
  await inOneTransaction(container, async (transaction) => {
    const rows = await lockPayments(
      transaction.sql,
      captures.map(({ payment }) => payment.id),
    )
    // One that is another worker's by now is left to it: it asks Stripe the same, and writes it.
    const held = captures.filter(({ payment }) => rows.get(payment.id)?.claim === payment.claim)
    const payments = held.map(({ payment }) => payment)
    await keepOrders(transaction.sql, payments)
    const canceled = await canceledInMedusa(transaction.sql, payments)
    await applyOutcomes(
      transaction.sql,
      actor,
      held.flatMap(({ payment }) => (canceled.has(payment.id) ? [takeBack(payment)] : [])),
    )
    const mine = held.filter(({ payment }) => !canceled.has(payment.id))
    await recordMoney(
      container,
      transaction,
      mine.map(({ payment, answer }) => ({ ...payment, intent: answer.value })),
    )
    const moved = await haveMoved(
      transaction.sql,
      mine.map(({ payment }) => payment),
    )
    const outcomes = mine.map(({ payment, answer }) => {
      if (answer.value.amount_received < dueOf(payment, answer.value)) {
        return capturedInPart(payment, answer)
      }
      const { order_id, placed_at } = payment
      const reason = lasting(payment.reason)
      const line = { kind: "stripe_call" as const, text: "Captured", data: { order_id, ...answer.ids } }
      const to = placed_at ? whenPaid(payment, moved.has(payment.id)) : "ordered"
      return outcomeOf(payment, to, line, { reason, facts: { captured_at: new Date() } })
    })
    await applyOutcomes(transaction.sql, actor, outcomes)
  })
}

/** The shop captures when it ships. It is warned a day before the authorization ends, if no event comes before. */
function stillAuthorized(
  { container }: CarryOut,
  payment: ClaimedPayment,
  intent: Stripe.PaymentIntent,
): Outcome {
  const end = authorizationEnd(intent)
  const { due_in_ms, isEnding } = nextLook(end, Date.now())
  if (!isEnding) {
    const line = { kind: "stripe_call" as const, text: "The shop has not captured it yet" }
    return outcomeOf(payment, "awaiting_capture", line, { due_in_ms })
  }
  const reason = `${CAPTURE_SOON}${payment.order_id} before ${new Date(end).toISOString()}: then its authorization ends`
  const logger: Logger = container.resolve(ContainerRegistrationKeys.LOGGER)
  logger.warn(`Stripe payment ${payment.id}: ${reason}`)
  const line = { kind: "decision" as const, text: reason, data: { order_id: payment.order_id } }
  return outcomeOf(payment, "awaiting_capture", line, { due_in_ms, reason })
}

function capturedInPart(payment: ClaimedPayment, { value, ids }: Answer<Stripe.PaymentIntent>): Outcome {
  const reason = partCaptured(payment, value)
  return outcomeOf(payment, "review", { kind: "decision", text: reason, data: ids }, { reason })
}

function lost(payment: ClaimedPayment, { value, ids }: Answer<Stripe.PaymentIntent>): Outcome {
  const reason = `order ${payment.order_id} was made, but its payment can't be captured: it is ${value.status} in Stripe`
  return outcomeOf(payment, "review", { kind: "decision", text: reason, data: ids }, { reason })
}
