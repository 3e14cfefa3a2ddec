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

/** Some units of an inventory item at a location. */
export interface Units {
  inventory_item_id: string
  location_id: string
  quantity: number
}

/** Units that an order line takes. */
export interface Allocation extends Units {
  line_item_id: string
  allow_backorder: boolean
}

/** A reservation item of Medusa's. */
export interface Reservation extends Units {
  id: string
}

/** Reads the levels of these items at these locations, and keeps them as they are until the transaction ends. */
export async function lockLevels(
  transaction: SharedTransaction,
  itemIds: string[],
  locationIds: string[],
): Promise<Level[]> {
  return itemIds.length > 0 ? await readLevels(transaction, itemIds, locationIds) : []
}

/** The same at all locations. */
export async function lockLevelsEverywhere(
  transaction: SharedTransaction,
  itemIds: string[],
): Promise<Level[]> {
  return await readLevels(transaction, itemIds, null)
}

async function readLevels(
  { sql }: SharedTransaction,
  itemIds: string[],
  locationIds: string[] | null,
): Promise<Level[]> {
  const { rows } = await sql.raw(
    `SELECT id, inventory_item_id, location_id, (stocked_quantity - reserved_quantity)::float8 AS available
       FROM inventory_level
      WHERE inventory_item_id = ANY(:itemIds) AND deleted_at IS NULL
        AND (CAST(:locationIds AS text[]) IS NULL OR location_id = ANY(:locationIds))
      ORDER BY id FOR UPDATE`,
    { itemIds, locationIds },
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

/** Reserves for carts. There is no order line yet: what a person sees in the admin is the description. */
export async function reserveForCarts(
  transaction: SharedTransaction,
  carts: { cart_id: string; allocations: Allocation[] }[],
): Promise<Map<string, string[]>> {
  const allocations = carts.flatMap(({ cart_id, allocations }) =>
    allocations.map((allocation) => ({ ...allocation, id: newId("resitem"), cart_id })),
  )
  if (allocations.length > 0) {
    await changeLevels(transaction, RESERVE, allocations)
    await insertRows(
      transaction.sql,
      "reservation_item",
      allocations.map(({ id, cart_id, line_item_id, inventory_item_id, location_id, quantity }) => ({
        id,
        inventory_item_id,
        location_id,
        quantity,
        allow_backorder: false,
        description: heldFor(cart_id),
        metadata: { cart_id, cart_line_item_id: line_item_id },
      })),
    )
  }
  const idsOf = (cart: string) => allocations.filter(({ cart_id }) => cart_id === cart).map(({ id }) => id)
  return new Map(carts.map(({ cart_id }) => [cart_id, idsOf(cart_id)]))
}

const heldFor = (cart_id: string) => `Held while the buyer of cart ${cart_id} pays`

/** Those of these reservations that are of these items and were not deleted, locked until the transaction ends. */
export async function lockReservations(
  { sql }: SharedTransaction,
  ids: string[],
  itemIds: string[],
): Promise<Reservation[]> {
  if (ids.length === 0 || itemIds.length === 0) {
    return []
  }
  const { rows } = await sql.raw(
    `SELECT id, inventory_item_id, location_id, quantity::float8 AS quantity FROM reservation_item
      WHERE id = ANY(?) AND inventory_item_id = ANY(?) AND deleted_at IS NULL ORDER BY id FOR UPDATE`,
    [ids, itemIds],
  )
  return rows
}

/** Gives reserved units back. The caller holds the items' locks, and has the reservations locked. */
export async function unreserve(transaction: SharedTransaction, reservations: Reservation[]): Promise<void> {
  if (reservations.length > 0) {
    await transaction.sql.raw(
      `UPDATE reservation_item SET deleted_at = now(), updated_at = now() WHERE id = ANY(?)`,
      [reservations.map(({ id }) => id)],
    )
    await changeLevels(
      transaction,
      RESERVE,
      reservations.map((one) => ({ ...one, quantity: -one.quantity })),
    )
  }
}

/** Reservations of an order that could not be made become the cart's again: no unit moves, and no moment lies between. */
export async function turnOverToCart(
  { sql }: SharedTransaction,
  cart_id: string,
  ids: string[],
): Promise<string[]> {
  const { rows } = await sql.raw(
    `UPDATE reservation_item SET line_item_id = NULL, description = ?, metadata = ?, updated_at = now()
      WHERE id = ANY(?) AND deleted_at IS NULL AND NOT allow_backorder RETURNING id`,
    [heldFor(cart_id), JSON.stringify({ cart_id }), ids],
  )
  return rows.map(({ id }: { id: string }) => id)
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
  allocations: Units[],
): Promise<void> {
  const sums = new Map<string, Units>()
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
