import { claimHolds, withFreed } from "../holds/claim"
import { lockHolds } from "../holds/rows"
import { decrement, lockLevels, reserve } from "../medusa/inventory"
import type { SharedTransaction } from "../medusa/shared-transaction"
import type { ResolvedOptions } from "../options"
import type { OrderDraft } from "../order-draft/order-draft"
import { unique } from "../order-draft/shop"
import { type ServedOrder, serve } from "./serve"
import { allocate, type StockRequest, type StockResult } from "./stock"

export interface Served extends Omit<StockResult, "taken"> {
  /** by payment */
  orders: Map<string, ServedOrder>
}

/**
 * Takes the stock for as many orders as it lasts, first come, first served.
 *
 * The levels stay locked from the look to the commit, so two batches on two machines can't both see the last
 * unit. Medusa's own flows write absolute quantities that they read before; against those the caller holds
 * the items' locks of the Locking Module.
 *
 * What a cart holds is its order's: it is given back and taken in one transaction, under those locks.
 */
export async function takeStock(
  transaction: SharedTransaction,
  mode: ResolvedOptions["stock"],
  drafts: OrderDraft[],
  policyOf: (draft: OrderDraft) => Pick<StockRequest, "whenOutOfStock" | "locationIds">,
): Promise<Served> {
  const demands = drafts.flatMap(({ demands }) => demands)
  const itemIds = unique(demands.flatMap(({ parts }) => parts.map((part) => part.inventory_item_id)))
  const locationIds = unique(demands.flatMap(({ location_ids }) => location_ids))
  const holds = await lockHolds(
    transaction,
    drafts.flatMap(({ cart_id }) => cart_id ?? []),
  )
  const levels = await lockLevels(transaction, itemIds, locationIds)
  const { held, freed } = await claimHolds(transaction, [...holds.values()], itemIds)
  const requests = drafts.map((draft) => ({
    id: draft.payment.id,
    demands: draft.demands,
    held: held.get(draft.cart_id ?? ""),
    ...policyOf(draft),
  }))
  const { taken, short, unstocked } = allocate(withFreed(levels, freed), requests)
  const orders = new Map(
    drafts.flatMap((draft) => {
      const takes = taken.get(draft.payment.id)
      return takes ? [[draft.payment.id, serve(draft, takes)] as const] : []
    }),
  )
  const allocations = [...orders.values()].flatMap((order) => order.allocations)
  if (allocations.length > 0) {
    await (mode === "decrement" ? decrement : reserve)(transaction, allocations)
  }
  return { orders, short, unstocked }
}
