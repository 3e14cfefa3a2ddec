import type { BuyersRow } from "../payments/buyer-answers"
import type { Database } from "../payments/payments"

/** A payment as its buyer may see it, with the number of its order in Medusa. */
export interface BuyersPayment extends BuyersRow {
  id: string
  client_secret_hash: string | null
  /** null where there is no order, or it was deleted */
  display_id: number | null
}

/** One statement, however many buyers ask. */
export async function readBuyersPayments(db: Database, ids: string[]): Promise<Map<string, BuyersPayment>> {
  const { rows } = await db.raw(
    `SELECT payment.id, payment.status, payment.reason, payment.order_id, payment.order_amount,
            payment.client_secret_hash, "order".display_id
       FROM stripe_payment AS payment
       LEFT JOIN "order" ON "order".id = payment.order_id AND "order".deleted_at IS NULL
      WHERE payment.id = ANY(?) AND payment.deleted_at IS NULL`,
    [ids],
  )
  return new Map(rows.map((row: BuyersPayment) => [row.id, row]))
}
