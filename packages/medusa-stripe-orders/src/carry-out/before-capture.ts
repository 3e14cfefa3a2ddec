import type { Logger } from "@medusajs/framework/types"
import { ContainerRegistrationKeys } from "@medusajs/framework/utils"
import { z } from "@medusajs/framework/zod"
import type Stripe from "stripe"
import { cancelOrder } from "../medusa/take-back"
import { NeedsReview } from "../order-draft/order-draft"
import { type Line, type Outcome, outcomeOf } from "../payments/payments"
import type { ClaimedPayment } from "../payments/queue"
import { answerOf } from "../store-answer"
import { captureStripePaymentWorkflow, isAsked } from "../workflows/store-hooks"
import { authorizationEnd, nextLook } from "./authorization"
import type { CarryOut } from "./context"
import { retrieve } from "./stripe-calls"

const HOOK = "beforeCapture"

const shape = z.union([
  z.strictObject({ wait_seconds: z.number().positive(), reason: z.string().min(1).optional() }),
  z.strictObject({ review: z.string().min(1) }),
  z.strictObject({ cancel: z.string().min(1) }),
])

/**
 * Asks the store's own rule whether the authorized money may be taken. Null: it may, or there is nothing to take any more. A
 * process that dies after the answer asks again.
 */
export async function askBeforeCapture(work: CarryOut, payment: ClaimedPayment): Promise<Outcome | null> {
  if (!isAsked.beforeCapture()) {
    return null
  }
  const payment_intent = await retrieve(work.plugin, payment.id)
  if (payment_intent.status !== "requires_capture") {
    return null
  }
  const order_id = payment.order_id ?? ""
  const amount = payment.order_amount === null ? payment_intent.amount : Number(payment.order_amount)
  const { result } = await captureStripePaymentWorkflow(work.container).run({
    input: { payment_intent, order_id, amount },
  })
  try {
    const answer = answerOf(HOOK, result.answer, shape)
    return answer ? await refused(work, payment, payment_intent, answer) : null
  } catch (error) {
    if (!(error instanceof NeedsReview)) {
      throw error
    }
    return reviewed(payment, error.message)
  }
}

async function refused(
  { container }: CarryOut,
  payment: ClaimedPayment,
  intent: Stripe.PaymentIntent,
  answer: z.output<typeof shape>,
): Promise<Outcome> {
  if ("review" in answer) {
    return reviewed(payment, `the store's ${HOOK} hook says: ${answer.review}`)
  }
  if ("cancel" in answer) {
    const { order_id } = payment
    const reason = `the store's ${HOOK} hook canceled order ${order_id}: ${answer.cancel}`
    return (await cancelOrder(container, order_id))
      ? outcomeOf(payment, "refunding", lineOf(payment, reason), { reason })
      : reviewed(
          payment,
          `the store's ${HOOK} hook says to cancel order ${order_id}, which can't be canceled`,
        )
  }
  return waits(container.resolve(ContainerRegistrationKeys.LOGGER), payment, intent, answer)
}

function waits(
  logger: Logger,
  payment: ClaimedPayment,
  intent: Stripe.PaymentIntent,
  { wait_seconds, reason: why }: { wait_seconds: number; reason?: string | undefined },
): Outcome {
  const end = authorizationEnd(intent)
  const { due_in_ms, isEnding } = nextLook(end, Date.now())
  const says = `the store's ${HOOK} hook says to wait${why ? `: ${why}` : ""}`
  const text = isEnding ? `${says}; the authorization ends at ${new Date(end).toISOString()}` : says
  if (isEnding) {
    logger.warn(`Stripe payment ${payment.id}: ${text}`)
  }
  return outcomeOf(payment, "ordered", lineOf(payment, text), {
    // The reason may say that the order is of a part.
    reason: payment.reason,
    due_in_ms: Math.min(wait_seconds * 1000, due_in_ms),
  })
}

function reviewed(payment: ClaimedPayment, reason: string): Outcome {
  return outcomeOf(payment, "review", lineOf(payment, reason), { reason })
}

function lineOf({ order_id }: ClaimedPayment, text: string): Line {
  return { kind: "decision", text, data: { order_id } }
}
