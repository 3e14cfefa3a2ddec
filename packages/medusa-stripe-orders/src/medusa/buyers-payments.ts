import { isSessionId } from "../order-draft/checkout-session"
import type { BuyersRow } from "../payments/buyer-answers"
import { hashOfSecret } from "../payments/client-secret"
import type { Database } from "../payments/payments"

/** A payment as its buyer may see it, with the number of its order in Medusa. */
export interface BuyersPayment extends BuyersRow {
  id: string
  client_secret_hash: string | null
  /** of the id of its Checkout Session */
  session_hash: string | null
  /** null where there is no order, or it was deleted */
  display_id: number | null
}

/** By the ids of payment intents, or of Checkout Sessions. One statement, however many buyers ask. */
export async function readBuyersPayments(db: Database, ids: string[]): Promise<Map<string, BuyersPayment>> {
  const sessions = new Map(ids.filter(isSessionId).map((id) => [hashOfSecret(id), id]))
  const { rows } = await db.raw(
    `SELECT payment.id, payment.status, payment.reason, payment.order_id, payment.order_amount,
            payment.client_secret_hash, payment.session_hash, "order".display_id
       FROM (SELECT * FROM stripe_payment WHERE id = ANY(:intents)
             UNION ALL SELECT * FROM stripe_payment WHERE session_hash = ANY(:sessions)) AS payment
       LEFT JOIN "order" ON "order".id = payment.order_id AND "order".deleted_at IS NULL
      WHERE payment.deleted_at IS NULL`,
    { intents: ids.filter((id) => !isSessionId(id)), sessions: [...sessions.keys()] },
  )
  // A payment may have been asked for by both.
  return new Map(
    rows.flatMap((row: BuyersPayment) => {
      const session = sessions.get(row.session_hash)
      return session
        ? [
            [row.id, row],
            [session, row],
          ]
        : [[row.id, row]]
    }),
  )
}
