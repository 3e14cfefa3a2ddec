import { decrement, lockLevels, reserve } from "../medusa/inventory"
import type { SharedTransaction } from "../medusa/shared-transaction"
import type { ResolvedOptions } from "../options"
import { allocate, type StockRequest, type StockResult } from "./stock"

/**
 * Takes the stock for as many requests as it lasts, first come, first served.
 *
 * The levels stay locked from the look to the commit, so two batches on two machines can't both see the last
 * unit. Medusa's own flows write absolute quantities that they read before; against those the caller holds
 * the items' locks of the Locking Module.
 */
export async function takeStock(
  transaction: SharedTransaction,
  mode: ResolvedOptions["stock"],
  requests: StockRequest[],
): Promise<StockResult> {
  const demands = requests.flatMap(({ demands }) => demands)
  const itemIds = [...new Set(demands.map(({ inventory_item_id }) => inventory_item_id))]
  const locationIds = [...new Set(demands.flatMap(({ location_ids }) => location_ids))]
  const result = allocate(await lockLevels(transaction, itemIds, locationIds), requests)
  const allocations = [...result.allocated.values()].flat()
  if (allocations.length > 0) {
    await (mode === "decrement" ? decrement : reserve)(transaction, allocations)
  }
  return result
}
