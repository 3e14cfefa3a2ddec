import { catalog, HOT_SKU } from "../../src/seed/catalog.ts"
import type { Seeded } from "../seeded.ts"
import type { AdminClient } from "../shop-api/admin-client.ts"
import { UNITS } from "./buyers.ts"

interface Level {
  stocked_quantity: number
  reserved_quantity: number
}

/** Sets the stock for a sale through the admin API. Reserved units stay reserved and are not for sale. */
export async function restock(admin: AdminClient, seeded: Seeded): Promise<void> {
  for (const { sku, stock } of catalog.flatMap(({ variants }) => variants)) {
    if (stock === undefined) continue
    const levels = `/admin/inventory-items/${seeded.variants[sku]?.inventoryItemId}/location-levels`
    const { inventory_levels } = await admin.request<{ inventory_levels: Level[] }>("GET", levels)
    const { stocked_quantity = 0, reserved_quantity = 0 } = inventory_levels[0] ?? {}
    const wanted = reserved_quantity + (sku === HOT_SKU ? UNITS : stock)
    const isEnough = sku === HOT_SKU ? stocked_quantity === wanted : stocked_quantity > wanted - stock / 2
    if (!isEnough) await admin.request("POST", `${levels}/${seeded.locationId}`, { stocked_quantity: wanted })
  }
}
