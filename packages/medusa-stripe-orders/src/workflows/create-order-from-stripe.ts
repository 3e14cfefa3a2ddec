import { acquireLockStep, releaseLockStep } from "@holdfast/medusa-lock/steps"
import {
  createHook,
  createWorkflow,
  transform,
  WorkflowResponse,
  when,
} from "@medusajs/framework/workflows-sdk"
import type Stripe from "stripe"
import { NeedsReview, type Payment, type SetAside } from "../content/content"
import { sourceFromHook } from "../content/source"
import { createOrdersAndTakeStockStep } from "./steps/create-orders-and-take-stock"
import { finishPaymentsStep } from "./steps/finish-payments"
import { prepareOrderDataStep } from "./steps/prepare-order-data"
import { type RetrievedPayments, retrievePaymentsStep } from "./steps/retrieve-payments"

export type { PaymentOutcome } from "./steps/finish-payments"

export interface CreateOrderFromStripeInput {
  /** the payments to settle; one, or as many as are due */
  payment_intent_ids: string[]
}

/** The payments that only the store itself can place; at least one. */
export interface OrderContentHookInput {
  payment_intents: Stripe.PaymentIntent[]
}

/** A batch doesn't wait long for one busy payment: who is busy is tried alone afterwards, with the full time. */
const BATCH_TIMEOUT_SECONDS = 5

/**
 * Turns paid Stripe payments into Medusa orders, each exactly once, and sells no unit of stock twice.
 *
 * Safe to run again for the same payments, at the same time or later, by hand or by the inbox: what was
 * decided is read from the payment's row.
 *
 * The hook `orderContent` is asked about payments that name neither a Medusa session or cart nor items, where
 * there are any. It answers with an object from payment intent id to `{ cart_id }` or to
 * `{ items: [{ variant_id, quantity }], … }`; what it leaves out goes to review.
 */
export const createOrderFromStripeWorkflow = createWorkflow(
  "create-order-from-stripe",
  (input: CreateOrderFromStripeInput) => {
    const retrieved = retrievePaymentsStep(input)
    const unknown = transform(
      { retrieved },
      ({ retrieved }): OrderContentHookInput => ({
        payment_intents: retrieved.payments.filter(({ source }) => !source).map(({ intent }) => intent),
      }),
    )
    // Asked about nothing, a store's rule that reads the first payment would fail, and with it the whole batch.
    const isAsked = ({ payment_intents }: OrderContentHookInput) => payment_intents.length > 0
    const askTheStore = () => createHook("orderContent", unknown)
    let orderContent!: ReturnType<typeof askTheStore>
    when("a-payment-is-unknown", unknown, isAsked).then(() => {
      orderContent = askTheStore()
    })
    const placed = transform({ retrieved, answers: orderContent.getResult() }, placePayments)

    const lock = transform({ retrieved, placed }, lockOf)
    acquireLockStep({ key: lock.keys, timeout: lock.timeout, ttl: lock.ttl })
    const prepared = prepareOrderDataStep(placed)
    const contents = transform({ prepared, lock }, ({ prepared, lock }) => ({
      contents: prepared.contents,
      held: lock.keys,
    }))
    createOrdersAndTakeStockStep(contents)
    releaseLockStep({ key: lock.keys })

    const toFinish = transform({ input, placed, prepared }, ({ input, placed, prepared }) => ({
      payment_intent_ids: input.payment_intent_ids,
      reviews: [...placed.reviews, ...prepared.reviews],
      failures: [...placed.failures, ...prepared.failures],
    }))
    const payments = finishPaymentsStep(toFinish)
    return new WorkflowResponse(
      transform({ payments }, ({ payments }) => ({ payments })),
      {
        hooks: [orderContent],
      },
    )
  },
)

interface PlacedPayments extends SetAside {
  payments: Payment[]
}

/** Completes the payments that only the store's own rule can place; the others have their source already. */
function placePayments({
  retrieved,
  answers,
}: {
  retrieved: RetrievedPayments
  answers: unknown
}): PlacedPayments {
  const placed: PlacedPayments = { ...retrieved, payments: [], reviews: [...retrieved.reviews] }
  for (const payment of retrieved.payments) {
    try {
      const source =
        payment.source ?? sourceFromHook((answers as Record<string, unknown> | undefined)?.[payment.id])
      if (!source) {
        throw new NeedsReview(
          "the payment doesn't say what was bought: it has no metadata.session_id, cart_id or items, and no orderContent hook knows it",
        )
      }
      placed.payments.push({ ...payment, source })
    } catch (error) {
      placed.reviews.push({ id: payment.id, reason: (error as Error).message })
    }
  }
  return placed
}

/**
 * The seed's choice of key: the payment, the cart, or both. The inventory items are locked in any case.
 *
 * The field is `keys`, for Medusa 2.21 loses an object with a field named `key` between two transforms.
 */
function lockOf({ retrieved, placed }: { retrieved: RetrievedPayments; placed: PlacedPayments }) {
  const { by, timeout, ttl } = retrieved.lock
  const keys = placed.payments.flatMap(({ id, source }) => {
    const cart = source.kind === "cart" ? source.cart_id : null
    return by === "payment_intent" || !cart ? [id] : by === "cart" ? [cart] : [id, cart]
  })
  return {
    keys,
    timeout: placed.payments.length > 1 ? Math.min(BATCH_TIMEOUT_SECONDS, timeout) : timeout,
    ttl,
  }
}
