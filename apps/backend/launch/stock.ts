import type pg from "pg"

export interface StockLevel {
  inventoryItemId: string
  sku: string
  stocked: number
  reserved: number
  /** The sum of the reservation items. */
  reservations: number
  /** Medusa writes each quantity in two columns; these are the second ones, `stocked/reserved`. */
  raw: string
  /** Whether the two columns of each quantity agree. */
  agree: boolean
}

/** Reads every inventory level. */
export async function readStock(db: pg.Pool | pg.Client): Promise<StockLevel[]> {
  const { rows } = await db.query<StockLevel>(`
    SELECT l.inventory_item_id AS "inventoryItemId", i.sku,
           l.stocked_quantity::float8 AS stocked, l.reserved_quantity::float8 AS reserved,
           (SELECT COALESCE(sum(r.quantity), 0)::float8 FROM reservation_item r
             WHERE r.inventory_item_id = l.inventory_item_id AND r.location_id = l.location_id
               AND r.deleted_at IS NULL) AS reservations,
           l.raw_stocked_quantity->>'value' || '/' || (l.raw_reserved_quantity->>'value') AS raw,
           l.stocked_quantity = (l.raw_stocked_quantity->>'value')::numeric
             AND l.reserved_quantity = (l.raw_reserved_quantity->>'value')::numeric AS agree
      FROM inventory_level l JOIN inventory_item i ON i.id = l.inventory_item_id
     WHERE l.deleted_at IS NULL AND i.deleted_at IS NULL`)
  return rows
}

/** Sets the stocked quantity of an item and removes its reservations. */
export async function setStock(
  db: pg.Pool | pg.Client,
  inventoryItemId: string,
  quantity: number,
): Promise<void> {
  await db.query(
    `UPDATE inventory_level SET stocked_quantity = $2::numeric, reserved_quantity = 0,
            raw_stocked_quantity = jsonb_build_object('value', $2::numeric::text, 'precision', 20),
            raw_reserved_quantity = jsonb_build_object('value', '0', 'precision', 20)
      WHERE inventory_item_id = $1`,
    [inventoryItemId, quantity],
  )
  await db.query("UPDATE reservation_item SET deleted_at = now() WHERE inventory_item_id = $1", [
    inventoryItemId,
  ])
}
