import { newId } from "../ids"
import { insertRows } from "./rows"
import type { SharedTransaction } from "./shared-transaction"

/** One inventory item at one location. */
export interface Level {
  id: string
  inventory_item_id: string
  location_id: string
  /** stocked − reserved; negative when more is promised than is there */
  available: number
}

/** Units of an inventory item that an order line takes at a location. */
export interface Allocation {
  line_item_id: string
  inventory_item_id: string
  location_id: string
  quantity: number
  allow_backorder: boolean
}

/** Reads the levels of these items at these locations, and keeps them as they are until the transaction ends. */
export async function lockLevels(
  { sql }: SharedTransaction,
  itemIds: string[],
  locationIds: string[],
): Promise<Level[]> {
  if (itemIds.length === 0) {
    return []
  }
  const { rows } = await sql.raw(
    `SELECT id, inventory_item_id, location_id, (stocked_quantity - reserved_quantity)::float8 AS available
       FROM inventory_level
      WHERE inventory_item_id = ANY(?) AND location_id = ANY(?) AND deleted_at IS NULL
      ORDER BY id FOR UPDATE`,
    [itemIds, locationIds],
  )
  return rows
}

/** Reserves for order lines, as Medusa's reservation items: fulfilment needs them, and lowers the stock by them. */
export async function reserve(transaction: SharedTransaction, allocations: Allocation[]): Promise<void> {
  await changeLevels(transaction, RESERVE, allocations)
  await insertRows(
    transaction.sql,
    "reservation_item",
    allocations.map(({ line_item_id, inventory_item_id, location_id, quantity, allow_backorder }) => ({
      id: newId("resitem"),
      line_item_id,
      inventory_item_id,
      location_id,
      quantity,
      allow_backorder,
    })),
  )
}

/** Takes the stock away at once, for shops that don't fulfil in Medusa. */
export async function decrement(transaction: SharedTransaction, allocations: Allocation[]): Promise<void> {
  await changeLevels(transaction, DECREMENT, allocations)
}

/** Medusa keeps each quantity twice: as a number and, exactly, as jsonb. Both change, or it reads the old one. */
const RESERVE = `
  UPDATE inventory_level AS level
     SET reserved_quantity = level.reserved_quantity + taken.quantity,
         raw_reserved_quantity = level.raw_reserved_quantity ||
           jsonb_build_object('value', trim_scale(level.reserved_quantity + taken.quantity)::text),
         updated_at = now()
    FROM unnest(?::text[], ?::text[], ?::numeric[]) AS taken(item, location, quantity)
   WHERE level.inventory_item_id = taken.item AND level.location_id = taken.location AND level.deleted_at IS NULL`

const DECREMENT = `
  UPDATE inventory_level AS level
     SET stocked_quantity = level.stocked_quantity - taken.quantity,
         raw_stocked_quantity = level.raw_stocked_quantity ||
           jsonb_build_object('value', trim_scale(level.stocked_quantity - taken.quantity)::text),
         updated_at = now()
    FROM unnest(?::text[], ?::text[], ?::numeric[]) AS taken(item, location, quantity)
   WHERE level.inventory_item_id = taken.item AND level.location_id = taken.location AND level.deleted_at IS NULL`

/** One statement for all: the batch's allocations are summed by level. */
async function changeLevels(
  { sql }: SharedTransaction,
  statement: string,
  allocations: Allocation[],
): Promise<void> {
  const sums = new Map<string, Pick<Allocation, "inventory_item_id" | "location_id" | "quantity">>()
  for (const { inventory_item_id, location_id, quantity } of allocations) {
    const key = `${inventory_item_id} ${location_id}`
    const sum = quantity + (sums.get(key)?.quantity ?? 0)
    sums.set(key, { inventory_item_id, location_id, quantity: sum })
  }
  const levels = [...sums.values()]
  await sql.raw(statement, [
    levels.map(({ inventory_item_id }) => inventory_item_id),
    levels.map(({ location_id }) => location_id),
    levels.map(({ quantity }) => quantity),
  ])
}
