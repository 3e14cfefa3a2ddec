import type { Outcome } from "../payments/payments"
import type { Batch } from "./batch"
import type { Shortage } from "./stock"

/** No stock is left for a payment: the money goes back, and the row says what was missing. */
export function soldOut(
  batch: Batch,
  id: string,
  { inventory_item_id, wanted, available }: Shortage,
): Outcome {
  const reason = `out of stock: ${wanted} of inventory item ${inventory_item_id} wanted, ${available} available`
  return batch.outcome(
    id,
    "refunding",
    { kind: "decision", text: `Sold out: ${reason}`, data: { inventory_item_id, wanted, available } },
    { reason },
  )
}
