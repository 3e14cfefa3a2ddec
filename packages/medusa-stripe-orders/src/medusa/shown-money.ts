import { toMinorUnits } from "../order-draft/amounts"
import type { Database } from "../payments/payments"

/** What Medusa shows of a payment: minor units. */
export interface ShownMoney {
  captured: number
  refunded: number
  isDisputed: boolean
}

/** What the orders show of these payments, by Medusa's payment. Each amount is rounded by itself, as Stripe had it. */
export async function readShownMoney(
  db: Database,
  payments: { payment_id: string | null; order_id: string | null }[],
): Promise<Map<string, ShownMoney>> {
  const { rows } = await db.raw(
    `SELECT payment.id, payment.currency_code, jsonb_exists(COALESCE("order".metadata, '{}'), 'stripe_dispute') AS "isDisputed",
            ARRAY(SELECT amount::float8 FROM capture WHERE payment_id = payment.id AND deleted_at IS NULL) AS captures,
            ARRAY(SELECT amount::float8 FROM refund WHERE payment_id = payment.id AND deleted_at IS NULL) AS refunds
       FROM unnest(CAST(:payments AS text[]), CAST(:orders AS text[])) AS known(payment_id, order_id)
       JOIN payment ON payment.id = known.payment_id
       LEFT JOIN "order" ON "order".id = known.order_id`,
    {
      payments: payments.map(({ payment_id }) => payment_id ?? ""),
      orders: payments.map(({ order_id }) => order_id ?? ""),
    },
  )
  return new Map(
    rows.map(({ id, currency_code, isDisputed, captures, refunds }: Row) => {
      const sum = (amounts: number[]) =>
        amounts.reduce((sum, amount) => sum + toMinorUnits(amount, currency_code), 0)
      return [id, { isDisputed, captured: sum(captures), refunded: sum(refunds) }]
    }),
  )
}

interface Row {
  id: string
  currency_code: string
  isDisputed: boolean
  captures: number[]
  refunds: number[]
}
