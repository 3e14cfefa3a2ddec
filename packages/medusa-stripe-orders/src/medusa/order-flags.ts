import type Stripe from "stripe"
import type { SharedTransaction } from "./shared-transaction"

/**
 * What the order itself shows of a dispute, in `metadata.stripe_dispute`: who packs it, and the store's own code, see it
 * before it ships. Amounts are minor units.
 */
export async function flagOrder(
  { sql }: SharedTransaction,
  order_id: string | null,
  dispute: Stripe.Dispute | undefined,
): Promise<void> {
  if (dispute) {
    const { id, status, reason, amount, currency } = dispute
    await sql.raw(
      `UPDATE "order" SET metadata = COALESCE(metadata, '{}') || jsonb_build_object('stripe_dispute', CAST(? AS jsonb)),
              updated_at = now()
        WHERE id = ?`,
      [JSON.stringify({ id, status, reason, amount, currency }), order_id],
    )
  }
}
