import { createHook, createWorkflow, transform, WorkflowResponse } from "@medusajs/framework/workflows-sdk"
import type Stripe from "stripe"
import { handledHooks } from "./handled-hooks"

/**
 * Two workflows that do nothing but ask the store: each has one hook. They run only where the store handles it.
 */

/** For the hook `beforeCapture`. */
export interface BeforeCaptureInput {
  /** as Stripe has it now, with its `latest_charge` (what Stripe thinks of the risk is in `latest_charge.outcome`) */
  payment_intent: Stripe.PaymentIntent
  order_id: string
  /** minor units: what is to be captured */
  amount: number
}

/**
 * What becomes of the authorized money; without an answer it is captured. `wait_seconds`: the hook is asked again. `review`: a
 * person looks, and a retry asks the hook again. `cancel`: the order is canceled, and the authorization with it.
 */
export type BeforeCaptureAnswer =
  | { wait_seconds: number; reason?: string }
  | { review: string }
  | { cancel: string }
  | undefined

export const captureStripePaymentWorkflow = createWorkflow(
  "capture-stripe-payment",
  (input: BeforeCaptureInput) => {
    const beforeCapture = createHook("beforeCapture", input)
    const answered = transform({ answer: beforeCapture.getResult() }, ({ answer }) => ({ answer }))
    return new WorkflowResponse(answered, { hooks: [beforeCapture] })
  },
)

/** What came of a payment, for the hook `afterSettling`. Nothing in it is personal. */
export interface SettledPayment {
  /** the payment intent's */
  id: string
  /** the same where the hook is asked again */
  event_id: string
  outcome: "completed" | "refunded" | "canceled" | "disputed" | "review"
  order_id: string | null
  reason: string | null
}

/** For the hook `afterSettling`; at least one payment. */
export interface AfterSettlingInput {
  payments: SettledPayment[]
}

export const settleStripePaymentsWorkflow = createWorkflow(
  "settle-stripe-payments",
  (input: AfterSettlingInput) => {
    const afterSettling = createHook("afterSettling", input)
    const answered = transform({ answer: afterSettling.getResult() }, ({ answer }) => ({ answer }))
    return new WorkflowResponse(answered, { hooks: [afterSettling] })
  },
)

/** They hold up no order. */
const ANSWER_SECONDS = 60

const beforeCapture = handledHooks(captureStripePaymentWorkflow, ANSWER_SECONDS)
const afterSettling = handledHooks(settleStripePaymentsWorkflow, ANSWER_SECONDS)

/** Whether the store wants to be asked. */
export const isAsked = {
  beforeCapture: () => beforeCapture.has("beforeCapture"),
  afterSettling: () => afterSettling.has("afterSettling"),
}
