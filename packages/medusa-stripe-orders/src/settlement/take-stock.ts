import type { Knex } from "@medusajs/framework/mikro-orm/knex"
import type { MedusaContainer } from "@medusajs/framework/types"
import { Modules } from "@medusajs/framework/utils"
import type { ResolvedOptions } from "../modules/stripe-orders/options"
import type { InventoryModuleInternals, SharedTransaction } from "./shared-transaction"
import { type Allocation, allocate, type Claim, type Level, type Taking } from "./stock"

/**
 * Takes the stock for as many claims as it lasts, first come, first served.
 *
 * The levels stay locked from the look to the commit, so two batches on two machines can't both see the last
 * unit. Medusa's own flows write absolute quantities that they read before; against those the caller holds
 * the items' locks of the Locking Module.
 */
export async function takeStock(
  container: MedusaContainer,
  transaction: SharedTransaction,
  mode: ResolvedOptions["stock"],
  claims: Claim[],
): Promise<Allocation> {
  const levels = await lockLevels(
    transaction.sql,
    claims.flatMap(({ demands }) => demands),
  )
  const allocation = allocate(levels, claims)
  const takings = [...allocation.taken.values()].flat()
  if (takings.length === 0) {
    return allocation
  }
  if (mode === "decrement") {
    await changeLevels(transaction.sql, DECREMENT, takings)
    return allocation
  }
  await changeLevels(transaction.sql, RESERVE, takings)
  const inventory = container.resolve(Modules.INVENTORY)
  await (inventory as unknown as InventoryModuleInternals).reservationItemService_.create(
    takings.map(({ line_item_id, inventory_item_id, location_id, quantity, allow_backorder }) => ({
      line_item_id,
      inventory_item_id,
      location_id,
      quantity,
      allow_backorder,
    })),
    transaction.join(inventory),
  )
  return allocation
}

async function lockLevels(sql: Knex.Transaction, demands: Claim["demands"]): Promise<Level[]> {
  if (demands.length === 0) {
    return []
  }
  const { rows } = await sql.raw(
    `SELECT id, inventory_item_id, location_id, (stocked_quantity - reserved_quantity)::float8 AS available
       FROM inventory_level
      WHERE inventory_item_id = ANY(?) AND location_id = ANY(?) AND deleted_at IS NULL
      ORDER BY id FOR UPDATE`,
    [
      [...new Set(demands.map(({ inventory_item_id }) => inventory_item_id))],
      [...new Set(demands.flatMap(({ location_ids }) => location_ids))],
    ],
  )
  return rows
}

/** Medusa keeps each quantity twice: as a number and, exactly, as jsonb. Both change, or it reads the old one. */
const RESERVE = `
  UPDATE inventory_level AS level
     SET reserved_quantity = level.reserved_quantity + taken.quantity,
         raw_reserved_quantity = level.raw_reserved_quantity ||
           jsonb_build_object('value', trim_scale(level.reserved_quantity + taken.quantity)::text),
         updated_at = now()
    FROM unnest(?::text[], ?::numeric[]) AS taken(id, quantity)
   WHERE level.id = taken.id`

const DECREMENT = `
  UPDATE inventory_level AS level
     SET stocked_quantity = level.stocked_quantity - taken.quantity,
         raw_stocked_quantity = level.raw_stocked_quantity ||
           jsonb_build_object('value', trim_scale(level.stocked_quantity - taken.quantity)::text),
         updated_at = now()
    FROM unnest(?::text[], ?::numeric[]) AS taken(id, quantity)
   WHERE level.id = taken.id`

/** One statement for everybody: the batch's takings are summed by level. */
async function changeLevels(sql: Knex.Transaction, statement: string, takings: Taking[]): Promise<void> {
  const sums = new Map<string, number>()
  for (const { level_id, quantity } of takings) {
    sums.set(level_id, (sums.get(level_id) ?? 0) + quantity)
  }
  await sql.raw(statement, [[...sums.keys()], [...sums.values()]])
}
