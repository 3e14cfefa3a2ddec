import { storeHooksCartCompletion } from "../medusa/complete-cart"
import { ordersOfCarts } from "../medusa/medusa-was-first"
import { draftOrders } from "../order-draft/draft"
import { lacksCharge } from "../order-draft/from-items"
import { NeedsReview, type OrderDraft, type OrderSource } from "../order-draft/order-draft"
import type { SourcedPayment } from "../order-draft/shop"
import { NOT_OURS, sourceFromHook } from "../order-draft/source"
import type { Batch, ExistingOrder } from "./batch"
import { CONTENDED_AFTER_MS, groupsByItem, underItemLocks, unlockCarts } from "./locks"
import { type Entry, placeOrders } from "./place-orders"

/**
 * Decides about a batch of payments: which become orders. The story, step by step:
 *
 * 1. `readPayments`: how does each stand, by its signed events? Stripe is not asked here.
 * 2. `assignSources`: what was bought? Its Medusa session or cart, its list of items, or the store's own rule.
 * 3. `lockCarts`: no other flow completes these carts meanwhile.
 * 4. `draftPayments`: the orders, which only lack stock; the shop is read once for all.
 * 5. `placeDrafts`: under the items' locks, stock and orders in one transaction.
 *
 * A payment that can't go on leaves its batch at each step, and delays no other.
 */
export { lockCarts, unlockCarts } from "./locks"
export { readPayments } from "./read-payments"

/** Completes the payments that only the store's own rule can place; the others have their source already. */
export function assignSources(batch: Batch, answers: unknown): void {
  const { options } = batch.plugin
  for (const candidate of [...batch.candidates]) {
    batch.orReview(candidate.id, () => {
      const answer = (answers as Record<string, unknown> | undefined)?.[candidate.id]
      if (!candidate.source && answer === NOT_OURS) {
        batch.ignore(candidate.id, "the store's orderContent hook says so")
        return
      }
      candidate.source ??= sourceFromHook(answer)
      const { source, unsourced } = candidate
      if (!source) {
        if (unsourced?.whose === "unknown" && !candidate.isRead) {
          batch.setAsideWith(
            batch.lookup(candidate.id, "Stripe is asked whether its Checkout sold something"),
          )
          return
        }
        if (
          unsourced?.whose === "others" ||
          (unsourced?.whose === "unknown" && options.unknownPayments === "ignore")
        ) {
          batch.ignore(candidate.id, unsourced.reason)
          return
        }
        throw new NeedsReview(unsourced?.reason ?? "the payment doesn't say what was bought")
      }
      if (
        source.kind === "items" &&
        !candidate.isRead &&
        lacksCharge({ ...candidate, source }, options.billingAddress)
      ) {
        const text = "The order needs the charge's billing details: Stripe is asked"
        batch.setAsideWith(batch.lookup(candidate.id, text))
      }
    })
  }
}

/** Reads carts, prices and taxes under the locks, and makes of each payment an order that only lacks stock. */
export async function draftPayments(batch: Batch): Promise<void> {
  const sourced = batch.candidates as SourcedPayment[]
  const cartOf = ({ source }: SourcedPayment) => (source.kind === "cart" ? source.cart_id : "")
  const orders = await ordersOfCarts({ sql: batch.db }, sourced.map(cartOf).filter(Boolean))
  const isOrdered = (payment: SourcedPayment) =>
    payment.source.kind === "order" || orders.has(cartOf(payment))
  const { drafts, reviews, failures } = await draftOrders(
    batch.container,
    sourced.filter((payment) => !isOrdered(payment)),
  )
  for (const { id, reason } of reviews) {
    batch.review(id, reason)
  }
  for (const { id, error } of failures) {
    batch.failed(id, error)
  }
  const ours = storeHooksCartCompletion() ? await leaveCartsToMedusa(batch, drafts) : drafts
  batch.drafts = [...ours, ...sourced.filter(isOrdered).map(existingOrder)]
}

/**
 * Where the store has hooks of cart completion, Medusa completes the carts, after their amounts were found to be right:
 * Medusa compares none. It authorizes a cart's payment session, so that a payment outside of it can't complete the cart.
 */
async function leaveCartsToMedusa(batch: Batch, drafts: OrderDraft[]): Promise<OrderDraft[]> {
  for (const { payment, cart_id, payment_session_id } of drafts) {
    if (cart_id && payment_session_id) {
      const text = "The store has hooks of Medusa's cart completion: Medusa completes the cart"
      const line = { kind: "decision" as const, text, data: { cart_id } }
      batch.setAside(payment.id, "completing", line, { facts: { cart_id } })
    } else if (cart_id) {
      const why = "the store has hooks of Medusa's cart completion, which need the cart's payment session"
      batch.review(payment.id, `cart ${cart_id} was paid outside its payment session: ${why}`)
    }
  }
  const carts = drafts.filter(({ cart_id }) => cart_id)
  await unlockCarts(
    batch,
    carts.map(({ payment }) => payment.id),
  )
  return drafts.filter(({ cart_id }) => !cart_id)
}

function existingOrder(payment: SourcedPayment): ExistingOrder {
  const { cart_id, payment_session_id } = payment.source as Extract<OrderSource, { kind: "cart" | "order" }>
  return { payment, cart_id, payment_session_id: payment_session_id ?? null, order: null, demands: [] }
}

/**
 * Places the drafts under the locks of their inventory items, which Medusa's own flows take too before they write
 * quantities that they read. Drafts that share items are one group, with one request for all its items: groups that
 * get their locks go on, and those that wait delay no other.
 */
export async function placeDrafts(batch: Batch): Promise<void> {
  const groups = groupsByItem(batch.drafts)
  let waiting = groups.length
  const placed = groups.map(async (group) => {
    await underItemLocks(batch, group, async () => {
      waiting -= 1
      if (waiting === 0) {
        batch.letNextBegin()
      }
      await placeInHalves(batch, group)
    })
    await batch.flush()
    await unlockCarts(
      batch,
      group.map(({ payment }) => payment.id),
    )
  })
  const contention = setTimeout(() => batch.letNextBegin(), CONTENDED_AFTER_MS)
  await Promise.all(placed).finally(() => clearTimeout(contention))
}

/** A group that fails is placed half by half, in the order of arrival, so that one bad payment holds up no other. */
async function placeInHalves(batch: Batch, group: Entry[]): Promise<void> {
  try {
    await placeOrders(batch, group)
  } catch (error) {
    if (group.length === 1) {
      batch.failed((group[0] as Entry).payment.id, error as Error)
      return
    }
    const half = Math.ceil(group.length / 2)
    await placeInHalves(batch, group.slice(0, half))
    await placeInHalves(batch, group.slice(half))
  }
}
