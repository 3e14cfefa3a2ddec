import type { MedusaContainer } from "@medusajs/framework/types"
import { MedusaError, Modules } from "@medusajs/framework/utils"
import type { OrderContent } from "../content/content"
import * as ledger from "../modules/stripe-orders/ledger"
import type { ResolvedOptions } from "../modules/stripe-orders/options"
import { linkOrders } from "./link-orders"
import { type RecordedPayment, recordPayments } from "./record-payments"
import {
  inOneTransaction,
  type OrderModuleInternals,
  type PromotionModuleInternals,
  type SharedTransaction,
} from "./shared-transaction"
import type { Shortage } from "./stock"
import { takeStock } from "./take-stock"

/**
 * The heart of the plugin: claim the payments, take the stock and create the orders, for the whole batch in one
 * transaction. A crash leaves all of it or nothing of it, and a payment that another process settled meanwhile
 * is passed over, since its row no longer says pending.
 */
export async function settleTogether(
  container: MedusaContainer,
  contents: OrderContent[],
  options: ResolvedOptions,
): Promise<void> {
  await inOneTransaction(container, async (transaction) => {
    const claimed = await claim(transaction, contents)
    const claims = claimed.map(({ payment, demands }) => ({ id: payment.id, demands }))
    const { taken, short } = await takeStock(container, transaction, options.stock, claims)
    await decline(transaction, short)
    const served = claimed.filter(({ payment }) => taken.has(payment.id))
    if (served.length > 0) {
      await createOrders(container, transaction, served, options)
    }
  })
}

/** Locks the payments' rows; keeps those that nothing was decided about, in the order of their arrival. */
async function claim(transaction: SharedTransaction, contents: OrderContent[]): Promise<OrderContent[]> {
  const { sql } = transaction
  const rows = await ledger.lockRows(
    sql,
    contents.map(({ payment }) => payment.id),
  )
  const arrivalOf = ({ payment }: OrderContent) => rows.get(payment.id)?.arrival ?? 0
  const undecided = contents
    .filter(({ payment }) => rows.get(payment.id)?.status === "pending")
    .sort((a, b) => arrivalOf(a) - arrivalOf(b))
  return await withoutOrderedCarts(transaction, undecided)
}

/** One cart makes one order, whoever came first: another payment, or Medusa's own complete-cart. */
async function withoutOrderedCarts(
  { sql }: SharedTransaction,
  contents: OrderContent[],
): Promise<OrderContent[]> {
  const orders = await ordersOfCarts(sql, contents)
  const free: OrderContent[] = []
  const taken = new Set<string>()
  for (const content of contents) {
    const { cart_id, payment } = content
    const earlier = cart_id ? orders.get(cart_id) : undefined
    if (earlier?.payment_session_ids.includes(content.payment_session_id ?? "")) {
      const reason = "Medusa's own cart completion made the order"
      await ledger.record(sql, payment.id, {
        status: "completed",
        order_id: earlier.order_id,
        cart_id,
        reason,
      })
    } else if (earlier || (cart_id && taken.has(cart_id))) {
      const which = earlier ? `became order ${earlier.order_id}` : "is being ordered"
      const reason = `cart ${cart_id} ${which} with another payment: this one was paid as well`
      await ledger.record(sql, payment.id, { status: "review", cart_id, reason })
    } else {
      free.push(content)
      taken.add(cart_id ?? payment.id)
    }
  }
  return free
}

async function ordersOfCarts(sql: SharedTransaction["sql"], contents: OrderContent[]) {
  const { rows } = await sql.raw(
    `SELECT order_cart.cart_id, order_cart.order_id, array_remove(array_agg(payment.payment_session_id), NULL)
              AS payment_session_ids
       FROM order_cart
       LEFT JOIN order_payment_collection AS collection
         ON collection.order_id = order_cart.order_id AND collection.deleted_at IS NULL
       LEFT JOIN payment
         ON payment.payment_collection_id = collection.payment_collection_id AND payment.deleted_at IS NULL
      WHERE order_cart.cart_id = ANY(?) AND order_cart.deleted_at IS NULL
      GROUP BY order_cart.cart_id, order_cart.order_id`,
    [contents.flatMap(({ cart_id }) => cart_id ?? [])],
  )
  type Row = { cart_id: string; order_id: string; payment_session_ids: string[] }
  return new Map((rows as Row[]).map((row) => [row.cart_id, row]))
}

async function decline({ sql }: SharedTransaction, short: Map<string, Shortage>): Promise<void> {
  for (const [id, { inventory_item_id, wanted, available }] of short) {
    const reason = `out of stock: ${wanted} of inventory item ${inventory_item_id} wanted, ${available} available`
    await ledger.record(sql, id, { status: "returning", reason })
  }
}

async function createOrders(
  container: MedusaContainer,
  transaction: SharedTransaction,
  contents: OrderContent[],
  options: ResolvedOptions,
): Promise<void> {
  const payments = await recordPayments(container, transaction, contents, options.paymentProvider)
  const orders = container.resolve(Modules.ORDER)
  await (orders as unknown as OrderModuleInternals).createOrders_(
    contents.map((content) => ({ ...content.order, transactions: transactionsOf(content, payments) })),
    transaction.join(orders),
  )
  await linkOrders(container, transaction, contents, payments)
  await registerPromotions(container, transaction, contents)
  for (const content of contents) {
    await ledger.record(transaction.sql, content.payment.id, {
      status: "ordered",
      order_id: content.order.id,
      cart_id: content.cart_id,
      payment_id: payments.get(content.payment.id)?.payment_id,
      captured_at: content.payment.status === "succeeded" ? new Date() : null,
    })
  }
}

function transactionsOf({ payment, total }: OrderContent, payments: Map<string, RecordedPayment>) {
  const capture_id = payments.get(payment.id)?.capture_id
  return capture_id
    ? [{ amount: total, currency_code: payment.currency, reference: "capture", reference_id: capture_id }]
    : []
}

/** A promotion that ran out after the buyer paid with it is honoured: the money was taken at that price. */
async function registerPromotions(
  container: MedusaContainer,
  transaction: SharedTransaction,
  contents: OrderContent[],
): Promise<void> {
  const module = container.resolve(Modules.PROMOTION)
  const promotions = module as unknown as PromotionModuleInternals
  for (const { promotion_usage, order } of contents) {
    if (promotion_usage.length === 0) {
      continue
    }
    const buyer = { customer_id: order.customer_id ?? null, customer_email: order.email ?? null }
    try {
      await promotions.registerUsage(promotion_usage, buyer, transaction.join(module))
    } catch (error) {
      if (!MedusaError.isMedusaError(error) || error.type !== MedusaError.Types.NOT_ALLOWED) {
        throw error
      }
    }
  }
}
