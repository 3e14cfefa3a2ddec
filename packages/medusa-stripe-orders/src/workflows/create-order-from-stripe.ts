import type { MedusaContainer } from "@medusajs/framework/types"
import { MedusaError } from "@medusajs/framework/utils"
import {
  createHook,
  createStep,
  createWorkflow,
  StepResponse,
  transform,
  WorkflowResponse,
  when,
} from "@medusajs/framework/workflows-sdk"
import { z } from "@medusajs/framework/zod"
import type Stripe from "stripe"
import { carryOutByHand } from "../carry-out/by-hand"
import { Batch } from "../decide/batch"
import {
  assignSources,
  draftPayments,
  lockCarts,
  placeDrafts,
  readPayments,
  unlockCarts,
} from "../decide/decide"
import { applyAnswers, draftedOrders, type OrdersHookInput, type StoreAnswers } from "../decide/store-rules"
import type { CheckoutSession } from "../order-draft/checkout-session"
import { BY_HAND, claimByHand } from "../payments/queue"
import { databaseOf } from "../plugin"
import { handledHooks } from "./handled-hooks"

export type { PaymentOutcome } from "../carry-out/by-hand"
export type { WhenOutOfStock } from "../decide/out-of-stock"
export type {
  DraftedOrder,
  OrderDraftAnswer,
  OrdersHookInput,
  OutOfStockAnswer,
  StockLocationsAnswer,
} from "../decide/store-rules"

export interface CreateOrderFromStripeInput {
  /** the payments to make orders of; one, or several */
  payment_intent_ids: string[]
  /** the worker's batch of them; without, the workflow claims them itself, and carries out what follows */
  batch_id?: string
}

/** The payments that only the store itself can place; at least one. */
export interface OrderContentHookInput {
  /** as their events have them: `latest_charge` may be an id */
  payment_intents: Stripe.PaymentIntent[]
  /** by payment intent: the Checkout Session that it was made in, with its line items; Stripe is asked for it where no answer comes without */
  checkout_sessions: Record<string, CheckoutSession>
}

interface Retrieved {
  batch_id: string
  /** the payments that only the store's hook can place: nothing else passes between steps whole */
  unknown: OrderContentHookInput
}

interface BatchInput {
  batch_id: string
}

const paymentIds = z.array(z.string().regex(/^(pi|cs)_\w{1,250}$/))

/** @throws MedusaError where a caller by hand gave something else: a text's letters would be payments, each with a row */
async function claimedByHand(container: MedusaContainer, given: unknown): Promise<Batch> {
  const { data: ids } = paymentIds.safeParse(given)
  if (!ids) {
    throw new MedusaError(
      MedusaError.Types.INVALID_DATA,
      "create-order-from-stripe: payment_intent_ids must be a list of payment intents (pi_…) or of free Checkout Sessions (cs_…)",
    )
  }
  return new Batch(container, await claimByHand(databaseOf(container), [...new Set(ids)]), BY_HAND)
}

/** How each payment stands, by its signed events. Stripe is not asked, but for a workflow that is run by hand. */
export const retrievePaymentsStep = createStep(
  "retrieve-stripe-payments",
  async ({ payment_intent_ids, batch_id }: CreateOrderFromStripeInput, { container }) => {
    const batch = batch_id ? Batch.of(batch_id) : await claimedByHand(container, payment_intent_ids)
    await readPayments(batch).catch(async (error) => {
      await closeIfOwn(batch.id, batch_id === undefined)
      throw error
    })
    const unsourced = batch.candidates.filter(({ source }) => !source)
    const unknown = {
      payment_intents: unsourced.map(({ intent }) => intent),
      checkout_sessions: Object.fromEntries(
        unsourced.flatMap(({ id, checkout }) => (checkout ? [[id, checkout] as const] : [])),
      ),
    }
    const retrieved: Retrieved = { batch_id: batch.id, unknown }
    return new StepResponse(retrieved, { batch_id: batch.id, isOwn: batch_id === undefined })
  },
  async (opened) => {
    if (opened) {
      await closeIfOwn(opened.batch_id, opened.isOwn)
    }
  },
)

/** A worker's batch is the worker's to close: it decides about its halves, under the same claims. */
async function closeIfOwn(batch_id: string, isOwn: boolean): Promise<void> {
  if (isOwn) {
    await Batch.find(batch_id)?.close()
  }
}

/** Locks the carts, and the payments where the store chose so. Payments whose locks are busy leave the batch. */
export const acquireCartLocksStep = createStep(
  "acquire-stripe-cart-locks",
  async ({ batch_id, answers }: BatchInput & { answers: unknown }) => {
    const batch = Batch.of(batch_id)
    assignSources(batch, answers)
    await lockCarts(batch)
    return new StepResponse({ batch_id }, { batch_id })
  },
  async (locked) => {
    const batch = locked && Batch.find(locked.batch_id)
    if (batch) {
      await unlockCarts(batch, [...batch.locked.keys()])
    }
  },
)

/** Reads carts, prices and taxes under the locks, and makes of each payment an order that only lacks stock. */
export const prepareOrderDataStep = createStep(
  "prepare-stripe-order-data",
  async ({ batch_id }: BatchInput) => {
    const batch = Batch.of(batch_id)
    await draftPayments(batch)
    await batch.flush()
    const isAsked = ORDER_HOOKS.some((name) => handled.has(name))
    return new StepResponse({ batch_id, orders: isAsked ? draftedOrders(batch) : [] })
  },
)

/** The store's hooks that are asked about orders before their stock is taken. */
const ORDER_HOOKS = ["orderDraft", "stockLocations", "outOfStock"] as const

/** What the store says of the orders: their metadata, where their stock comes from, what becomes of those without. */
export const applyStoreRulesStep = createStep(
  "apply-stripe-store-rules",
  async ({ batch_id, answers }: BatchInput & { answers: StoreAnswers }) => {
    const batch = Batch.of(batch_id)
    applyAnswers(batch, answers)
    await batch.flush()
    return new StepResponse({ batch_id })
  },
)

/**
 * Order creation and the stock step in one, since they commit in one transaction. It has no compensation: what is
 * committed stands, and is carried on from the payment's row.
 */
export const createOrdersAndTakeStockStep = createStep(
  "create-stripe-orders-and-take-stock",
  async ({ batch_id }: BatchInput) => {
    await placeDrafts(Batch.of(batch_id))
    return new StepResponse({ batch_id })
  },
)

export const releaseCartLocksStep = createStep(
  "release-stripe-cart-locks",
  async ({ batch_id }: BatchInput) => {
    const batch = Batch.of(batch_id)
    await unlockCarts(batch, [...batch.locked.keys()])
    await batch.close()
    return new StepResponse({ batch_id })
  },
)

/** Captures, gives money back and announces, for a workflow that is run by hand: the worker's lanes do it else. */
export const carryOutPaymentsStep = createStep(
  "carry-out-stripe-payments",
  async ({ payment_intent_ids, batch_id }: CreateOrderFromStripeInput, { container }) =>
    new StepResponse(
      await carryOutByHand(container, payment_intent_ids, { onlyRead: batch_id !== undefined }),
    ),
)

/**
 * Turns paid Stripe payments into Medusa orders, each exactly once, and sells no unit of stock twice.
 *
 * Safe to run again for the same payments, at the same time or later, by hand or by the worker: what was
 * decided is read from the payment's row, and a worker continues where a run by hand ended early.
 *
 * The hook `orderContent` is asked about payments that name neither a Medusa session or cart nor items, and whose Checkout
 * Session's lines name no variants, where there are any. It answers with an object from payment intent id to `{ cart_id }` or to
 * `{ items: [{ variant_id, quantity }], … }`, or with "not ours" for a payment that another product or seller in the same
 * Stripe account has; what it leaves out goes to review, or is ignored (option `unknownPayments`).
 */
export const createOrderFromStripeWorkflow = createWorkflow(
  "create-order-from-stripe",
  (input: CreateOrderFromStripeInput) => {
    const retrieved = retrievePaymentsStep(input)
    const unknown = transform({ retrieved }, ({ retrieved }): OrderContentHookInput => retrieved.unknown)
    // Asked about nothing, a store's rule that reads the first payment would fail, and with it the whole batch.
    const isAsked = ({ payment_intents }: OrderContentHookInput) => payment_intents.length > 0
    const askTheStore = () => createHook("orderContent", unknown)
    let orderContent!: ReturnType<typeof askTheStore>
    when("a-payment-is-unknown", unknown, isAsked).then(() => {
      orderContent = askTheStore()
    })
    const sourced = transform({ retrieved, answers: orderContent.getResult() }, ({ retrieved, answers }) => ({
      batch_id: retrieved.batch_id,
      answers,
    }))
    const locked = acquireCartLocksStep(sourced)
    const prepared = prepareOrderDataStep(locked)
    const drafted = transform({ prepared }, ({ prepared }): OrdersHookInput => ({ orders: prepared.orders }))
    const isDrafted = ({ orders }: OrdersHookInput) => orders.length > 0
    const askAboutOrders = <Name extends string>(name: Name) => createHook(name, drafted)
    let orderDraft!: ReturnType<typeof askAboutOrders<"orderDraft">>
    let stockLocations!: ReturnType<typeof askAboutOrders<"stockLocations">>
    let outOfStock!: ReturnType<typeof askAboutOrders<"outOfStock">>
    when("the-store-has-rules", drafted, isDrafted).then(() => {
      orderDraft = askAboutOrders("orderDraft")
      stockLocations = askAboutOrders("stockLocations")
      outOfStock = askAboutOrders("outOfStock")
    })
    const ruled = transform(
      {
        prepared,
        orderDraft: orderDraft.getResult(),
        stockLocations: stockLocations.getResult(),
        outOfStock: outOfStock.getResult(),
      },
      ({ prepared: { batch_id }, ...answers }): BatchInput & { answers: StoreAnswers } => ({
        batch_id,
        answers,
      }),
    )
    const placed = createOrdersAndTakeStockStep(applyStoreRulesStep(ruled))
    releaseCartLocksStep(placed)
    const payments = carryOutPaymentsStep(input)
    return new WorkflowResponse(
      transform({ payments }, ({ payments }) => ({ payments })),
      { hooks: [orderContent, orderDraft, stockLocations, outOfStock] },
    )
  },
)

/** While it waits for an answer, the other payments wait too. */
const ANSWER_SECONDS = 10

const handled = handledHooks(createOrderFromStripeWorkflow, ANSWER_SECONDS)
