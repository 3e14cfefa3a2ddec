import { catalog, HOT_SKU } from "../../src/seed/catalog.ts"
import type { Admin } from "../database.ts"
import type { Seeded } from "../seeded.ts"
import { UNITS } from "./buyers.ts"

interface Level {
  stocked_quantity: number
  reserved_quantity: number
}

/** Sets the stock for a sale through the admin API. Reserved units stay reserved and are not for sale. */
export async function restock(shopUrl: string, admin: Admin, seeded: Seeded): Promise<void> {
  const call = await adminApi(shopUrl, admin)
  for (const { sku, stock } of catalog.flatMap(({ variants }) => variants)) {
    if (stock === undefined) continue
    const levels = `/admin/inventory-items/${seeded.variants[sku]?.inventoryItemId}/location-levels`
    const { inventory_levels } = await call<{ inventory_levels: Level[] }>("GET", levels)
    const { stocked_quantity = 0, reserved_quantity = 0 } = inventory_levels[0] ?? {}
    const wanted = reserved_quantity + (sku === HOT_SKU ? UNITS : stock)
    const isEnough = sku === HOT_SKU ? stocked_quantity === wanted : stocked_quantity > wanted - stock / 2
    if (!isEnough) await call("POST", `${levels}/${seeded.locationId}`, { stocked_quantity: wanted })
  }
}

async function adminApi(shopUrl: string, admin: Admin) {
  const request = async <T>(method: string, path: string, body?: unknown, token = ""): Promise<T> => {
    const response = await fetch(`${shopUrl}${path}`, {
      method,
      headers: { "content-type": "application/json", ...(token ? { authorization: `Bearer ${token}` } : {}) },
      body: body === undefined ? undefined : JSON.stringify(body),
    })
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`)
    return (await response.json()) as T
  }
  const { token } = await request<{ token: string }>("POST", "/auth/user/emailpass", admin)
  return <T>(method: string, path: string, body?: unknown) => request<T>(method, path, body, token)
}
