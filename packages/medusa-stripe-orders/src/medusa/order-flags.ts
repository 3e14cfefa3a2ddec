import type { SharedTransaction } from "./shared-transaction"

/**
 * What the order itself shows, in its metadata: who packs it, and the store's own code, see it before it ships. Amounts are
 * minor units.
 */
export async function flagOrder(
  { sql }: SharedTransaction,
  order_id: string | null,
  flag: "stripe_dispute" | "stripe_payment_failed",
  what: Record<string, unknown>,
): Promise<void> {
  await sql.raw(
    `UPDATE "order" SET metadata = COALESCE(metadata, '{}') || jsonb_build_object(CAST(? AS text), CAST(? AS jsonb)),
            updated_at = now()
      WHERE id = ?`,
    [flag, JSON.stringify(what), order_id],
  )
}

/** Removes a flag: the payment that had failed was paid. */
export async function clearFlag(
  { sql }: SharedTransaction,
  order_id: string | null,
  flag: "stripe_payment_failed",
): Promise<void> {
  await sql.raw(`UPDATE "order" SET metadata = metadata - CAST(? AS text), updated_at = now() WHERE id = ?`, [
    flag,
    order_id,
  ])
}
