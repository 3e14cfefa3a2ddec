import type { SharedTransaction } from "./shared-transaction"

/** How orders and their payments stand in Medusa. */
type Sql = { raw: SharedTransaction["sql"]["raw"] }

/** Keeps orders from being canceled until the transaction ends: a cancellation waits, and then sees what it wrote. */
export async function keepOrders(
  sql: SharedTransaction["sql"],
  payments: { order_id: string | null }[],
): Promise<void> {
  await sql.raw(`SELECT id FROM "order" WHERE id = ANY(?) ORDER BY id FOR SHARE`, [
    payments.flatMap(({ order_id }) => order_id ?? []),
  ])
}

interface OrderedInMedusa {
  /** the payment intent's */
  id: string
  order_id: string | null
  payment_id: string | null
}

/** Those of these payments whose order, or whose payment in Medusa, was canceled. */
export async function canceledInMedusa<T extends OrderedInMedusa>(
  sql: Sql,
  payments: T[],
): Promise<Set<string>> {
  const orderIds = payments.flatMap(({ order_id }) => order_id ?? [])
  const { rows } = await sql.raw(
    `SELECT id FROM "order" WHERE id = ANY(?) AND canceled_at IS NOT NULL
      UNION ALL SELECT id FROM payment WHERE id = ANY(?) AND canceled_at IS NOT NULL`,
    [orderIds, payments.flatMap(({ payment_id }) => payment_id ?? [])],
  )
  const canceled = new Set(rows.map(({ id }: { id: string }) => id))
  const isCanceled = ({ order_id, payment_id }: T) => canceled.has(order_id) || canceled.has(payment_id)
  return new Set(payments.filter(isCanceled).map(({ id }) => id))
}

/** Whether the shop took back the order, or the payment alone. */
export async function isCanceledInMedusa(db: Sql, payment: OrderedInMedusa): Promise<boolean> {
  return (await canceledInMedusa(db, [payment])).size > 0
}

/** The authorization is canceled in Stripe: Medusa's admin must not offer to capture it. */
export async function markCanceled(db: Sql, payment_id: string | null): Promise<void> {
  await db.raw(
    `UPDATE payment SET canceled_at = COALESCE(canceled_at, now()), updated_at = now() WHERE id = ?`,
    [payment_id],
  )
}

/** Whether a payment of this order is authorized or captured in Medusa. */
export async function isPaidFor(sql: Sql, order_id: string): Promise<boolean> {
  const { rows } = await sql.raw(
    `SELECT 1 FROM order_payment_collection AS link
       JOIN payment ON payment.payment_collection_id = link.payment_collection_id
      WHERE link.order_id = ? AND link.deleted_at IS NULL AND payment.deleted_at IS NULL AND payment.canceled_at IS NULL`,
    [order_id],
  )
  return rows.length > 0
}
