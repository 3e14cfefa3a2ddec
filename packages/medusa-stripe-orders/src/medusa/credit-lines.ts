import type { MedusaContainer } from "@medusajs/framework/types"
import { Modules } from "@medusajs/framework/utils"
import { databaseOf } from "../plugin"

/** Medusa's own, which it does not export. */
const CREDIT_WORKFLOW = "create-order-refund-credit-lines"

/**
 * Refunds that were made in Stripe get the credit lines that Medusa gives to its own: what was refunded is not due any
 * more. A credit line names its refund, so that each gets one, wherever the process dies.
 */
export async function creditRefunds(
  container: MedusaContainer,
  { order_id, payment_id }: { order_id: string | null; payment_id: string | null },
): Promise<void> {
  const { rows } = await databaseOf(container).raw(
    `SELECT refund.id, refund.amount::float8 AS amount, (summary.totals->>'pending_difference')::float8 AS due
       FROM refund JOIN "order" ON "order".id = :order_id AND "order".canceled_at IS NULL
       JOIN order_summary AS summary ON summary.order_id = "order".id AND summary.version = "order".version
        AND summary.deleted_at IS NULL
      WHERE refund.payment_id = :payment_id AND refund.deleted_at IS NULL AND refund.note = 'Made in Stripe'
        AND NOT EXISTS (SELECT 1 FROM order_credit_line AS line
                         WHERE line.order_id = "order".id AND line.reference_id = refund.id AND line.deleted_at IS NULL)
      ORDER BY refund.id`,
    { order_id, payment_id },
  )
  // What is due without these refunds stays due.
  let due = Number(rows[0]?.due ?? 0)
  for (const { id, amount } of rows) {
    const credit = Math.min(amount, due)
    if (credit > 0) {
      const input = { order_id: order_id ?? "", amount: credit, reference: "stripe_refund", referenceId: id }
      await container.resolve(Modules.WORKFLOW_ENGINE).run(CREDIT_WORKFLOW, { input })
      due -= credit
    }
  }
}
