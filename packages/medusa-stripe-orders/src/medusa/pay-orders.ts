import type { MedusaContainer } from "@medusajs/framework/types"
import { newId } from "../ids"
import type { PaidPayment } from "../order-draft/order-draft"
import type { SessionOfOrder } from "./medusa-was-first"
import { intentData, recordMoney } from "./money-rows"
import { insertRows } from "./rows"
import type { SharedTransaction } from "./shared-transaction"

/**
 * Records payments on orders that exist, as Medusa's `process-payment-workflow` does: the session is authorized, the
 * payment made and, where Stripe has captured, captured. Returns Medusa's payments by payment intent.
 */
export async function payOrders(
  container: MedusaContainer,
  transaction: SharedTransaction,
  paid: { payment: PaidPayment; session: SessionOfOrder }[],
): Promise<Map<string, string>> {
  if (paid.length === 0) {
    return new Map()
  }
  const { sql } = transaction
  const rows = paid.map(({ payment, session }) => ({
    id: newId("pay"),
    amount: session.amount,
    currency_code: session.currency,
    payment_session_id: session.id,
    payment_collection_id: session.payment_collection_id,
    provider_id: session.provider_id,
    data: intentData(payment.intent),
  }))
  await sql.raw(
    `UPDATE payment_session SET status = 'authorized', authorized_at = COALESCE(authorized_at, now()), updated_at = now()
      WHERE id = ANY(?)`,
    [paid.map(({ session }) => session.id)],
  )
  await insertRows(sql, "payment", rows)
  await recordMoney(
    container,
    transaction,
    paid.map(({ payment: { intent }, session: { order_id } }, i) => ({
      payment_id: rows[i]?.id ?? null,
      order_id,
      intent,
    })),
  )
  return new Map(paid.map(({ payment }, i) => [payment.id, rows[i]?.id ?? ""]))
}
