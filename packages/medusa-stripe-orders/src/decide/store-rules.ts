import { z } from "@medusajs/framework/zod"
import type Stripe from "stripe"
import type { CheckoutSession } from "../order-draft/checkout-session"
import { NeedsReview, type OrderDraft } from "../order-draft/order-draft"
import { answerOf } from "../store-answer"
import type { Batch } from "./batch"
import { WHEN_OUT_OF_STOCK, type WhenOutOfStock } from "./out-of-stock"

/**
 * What the store's own hooks are asked about the orders of a batch, and what their answers do. A hook is the store's code:
 * its answer is checked, and one that can't be used sends that payment to review.
 */

/** An order that only lacks its stock, as the hooks of a store see it. */
export interface DraftedOrder {
  /** as its events have it: `latest_charge` may be an id */
  payment_intent: Stripe.PaymentIntent
  /** with its line items, where the payment itself doesn't say what was bought */
  checkout_session: CheckoutSession | null
  cart_id: string | null
  /** minor units: what was paid */
  amount: number
  currency: string
  /** as it will be written: items, addresses, shipping methods, e-mail, sales channel, … Amounts are major units */
  order: OrderDraft["order"]
  /** stock locations of the order's sales channel */
  location_ids: string[]
}

/** For the hooks `orderDraft`, `stockLocations` and `outOfStock`; at least one order. */
export interface OrdersHookInput {
  orders: DraftedOrder[]
}

/** By payment intent; an order that is left out stays as it is. */
export type OrderDraftAnswer = Record<
  string,
  { metadata?: Record<string, unknown>; review?: string } | undefined
>

/** By payment intent: the locations of the order's sales channel that its stock may come from, at least one, the preferred one first. */
export type StockLocationsAnswer = Record<string, string[] | undefined>

/** By payment intent: what becomes of it where it is not in stock. */
export type OutOfStockAnswer = Record<string, WhenOutOfStock | undefined>

export interface StoreAnswers {
  orderDraft?: unknown
  stockLocations?: unknown
  outOfStock?: unknown
}

export function draftedOrders(batch: Batch): DraftedOrder[] {
  return batch.drafts.flatMap((draft) => {
    if (draft.order === null) {
      return []
    }
    const { payment, cart_id, order, demands } = draft
    const location_ids = [...new Set(demands.flatMap((demand) => demand.location_ids))]
    const { intent: payment_intent, checkout: checkout_session, amount, currency } = payment
    return [{ payment_intent, checkout_session, cart_id, amount, currency, order, location_ids }]
  })
}

/** Applies what the store's hooks answered to the drafts of the batch. */
export function applyAnswers(batch: Batch, answers: StoreAnswers): void {
  for (const draft of batch.drafts) {
    if (draft.order !== null) {
      const { id } = draft.payment
      batch.orReview(id, () => {
        shapeOrder(draft, answered(answers, "orderDraft", id, orderAnswer))
        batch.stockPolicies.set(id, {
          locationIds: usableLocations(draft, answered(answers, "stockLocations", id, locationsAnswer)),
          whenOutOfStock: answered(answers, "outOfStock", id, outOfStockAnswer),
        })
      })
    }
  }
  const waiting = new Set(batch.undecided.map(({ id }) => id))
  batch.drafts = batch.drafts.filter(({ payment }) => waiting.has(payment.id))
}

const orderAnswer = z.strictObject({
  metadata: z.record(z.string(), z.unknown()).optional(),
  review: z.string().min(1).optional(),
})

const locationsAnswer = z.array(z.string().min(1))

const outOfStockAnswer = z.enum(WHEN_OUT_OF_STOCK)

/** Stock at another location could not serve the order: taken for sold out, the buyer's money would go back. */
function usableLocations({ order, demands }: OrderDraft, ids: string[] | undefined): string[] | undefined {
  const known = new Set(demands.flatMap((demand) => demand.location_ids))
  if (ids === undefined || known.size === 0) {
    return ids
  }
  const wrong = ids.filter((id) => !known.has(id))
  const named =
    ids.length === 0 ? "it names" : wrong.length === 1 ? `${wrong[0]} is` : `${wrong.join(", ")} are each`
  if (ids.length === 0 || wrong.length > 0) {
    throw new NeedsReview(
      `the store's stockLocations hook gave an answer that can't be used: ${named} no stock location of the order's sales channel ${order.sales_channel_id}`,
    )
  }
  return ids
}

function shapeOrder(draft: OrderDraft, answer: z.output<typeof orderAnswer> | undefined): void {
  if (answer?.review) {
    throw new NeedsReview(`the store's orderDraft hook says: ${answer.review}`)
  }
  if (answer?.metadata) {
    draft.order.metadata = { ...(draft.order.metadata ?? {}), ...answer.metadata }
  }
}

function answered<T>(
  answers: StoreAnswers,
  hook: keyof StoreAnswers,
  id: string,
  shape: z.ZodType<T>,
): T | undefined {
  const all = answers[hook] as Record<string, unknown> | null | undefined
  return answerOf(hook, all?.[id], shape)
}
