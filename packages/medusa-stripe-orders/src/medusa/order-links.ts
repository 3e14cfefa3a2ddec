import { newId } from "../ids"
import type { OrderDraft } from "../order-draft/order-draft"
import type { PaymentRecord } from "./payment-records"
import { insertRows } from "./rows"
import type { SharedTransaction } from "./shared-transaction"

/** Ties the orders to their carts, payments and promotions, and marks the carts as completed. */
export async function linkOrders(
  { sql }: SharedTransaction,
  drafts: OrderDraft[],
  payments: Map<string, PaymentRecord>,
): Promise<void> {
  const collections = drafts.flatMap(({ order, payment }) => {
    const payment_collection_id = payments.get(payment.id)?.payment_collection_id
    return payment_collection_id ? [{ id: newId("ordpay"), order_id: order.id, payment_collection_id }] : []
  })
  const carts = drafts.flatMap(({ order, cart_id }) =>
    cart_id ? [{ id: newId("ordercart"), order_id: order.id, cart_id }] : [],
  )
  const promotions = drafts.flatMap(({ order, promotion_ids }) =>
    promotion_ids.map((promotion_id) => ({ id: newId("orderpromo"), order_id: order.id, promotion_id })),
  )
  await insertRows(sql, "order_payment_collection", collections)
  await insertRows(sql, "order_cart", carts)
  await insertRows(sql, "order_promotion", promotions)
  if (carts.length > 0) {
    await sql.raw(
      `UPDATE cart SET completed_at = now(), updated_at = now() WHERE id = ANY(?) AND completed_at IS NULL`,
      [carts.map(({ cart_id }) => cart_id)],
    )
  }
}

/**
 * Locks the carts' rows until the transaction ends, in the order of their ids. The lock of the Locking Module keeps
 * contenders in line, but a holder that was paused past its ttl holds it no more: the row makes it one order a cart.
 */
export async function lockCarts({ sql }: SharedTransaction, cartIds: string[]): Promise<void> {
  if (cartIds.length > 0) {
    await sql.raw(`SELECT id FROM cart WHERE id = ANY(?) ORDER BY id FOR UPDATE`, [cartIds])
  }
}
