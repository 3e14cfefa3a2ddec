import type { MedusaContainer } from "@medusajs/framework/types"
import { Modules } from "@medusajs/framework/utils"
import type Stripe from "stripe"
import { newId } from "../ids"
import { intentData, markCaptured, updateCollections } from "./payment-records"
import { insertRows } from "./rows"
import type { OrderModuleInternals, SharedTransaction } from "./shared-transaction"

/** A capture that happened in Stripe after the order was committed. */
export interface LateCapture {
  /** Medusa's */
  payment_id: string | null
  order_id: string | null
  intent: Stripe.PaymentIntent
}

/**
 * Writes captures that happened in Stripe after their orders were committed: the same rows as `recordPayments` writes for
 * payments that came captured. One that was captured by hand in the admin meanwhile has them already.
 */
export async function recordCaptures(
  container: MedusaContainer,
  transaction: SharedTransaction,
  captures: LateCapture[],
): Promise<void> {
  const { sql } = transaction
  // Locked first and read afterwards: a capture that the admin makes meanwhile is seen.
  await sql.raw(`SELECT id FROM payment WHERE id = ANY(?) ORDER BY id FOR UPDATE`, [
    captures.map(({ payment_id }) => payment_id ?? ""),
  ])
  const { rows } = await sql.raw(
    `SELECT payment.id, payment.amount::float8 AS amount, payment.currency_code, payment.payment_collection_id,
            "order".id AS order_id, "order".version
       FROM unnest(CAST(? AS text[]), CAST(? AS text[])) AS late(payment_id, order_id)
       JOIN payment ON payment.id = late.payment_id
       JOIN "order" ON "order".id = late.order_id
      WHERE NOT EXISTS (SELECT 1 FROM capture WHERE payment_id = payment.id AND deleted_at IS NULL)
      ORDER BY payment.id`,
    [captures.map(({ payment_id }) => payment_id ?? ""), captures.map(({ order_id }) => order_id ?? "")],
  )
  const captured_at = new Date()
  const intents = new Map(captures.map(({ payment_id, intent }) => [payment_id, intent]))
  const written = (rows as UncapturedPayment[]).map((row) => ({ ...row, capture_id: newId("capt") }))
  await insertRows(
    sql,
    "capture",
    written.map((row) => ({ id: row.capture_id, payment_id: row.id, amount: row.amount })),
  )
  await markCaptured(
    sql,
    written.map(({ id }) => ({ id, captured_at, data: intentData(intents.get(id) as Stripe.PaymentIntent) })),
  )
  await updateCollections(
    sql,
    written.map((row) => ({ id: row.payment_collection_id, total: row.amount, captured_at })),
  )
  await addOrderTransactions(container, transaction, written)
}

interface UncapturedPayment {
  id: string
  amount: number
  currency_code: string
  payment_collection_id: string
  order_id: string
  version: number
}

/** The Order Module adds them to the orders' summaries, of one version at a time. */
async function addOrderTransactions(
  container: MedusaContainer,
  transaction: SharedTransaction,
  captures: (UncapturedPayment & { capture_id: string })[],
): Promise<void> {
  const orders = container.resolve(Modules.ORDER)
  const internals = orders as unknown as OrderModuleInternals
  for (const version of new Set(captures.map((capture) => capture.version))) {
    const rows = captures.filter((capture) => capture.version === version)
    await internals.addOrderTransactions_(
      rows.map(({ order_id, amount, currency_code, capture_id }) => ({
        id: newId("ordtrx"),
        order_id,
        amount,
        currency_code,
        reference: "capture",
        reference_id: capture_id,
      })),
      transaction.join(orders),
    )
  }
}
