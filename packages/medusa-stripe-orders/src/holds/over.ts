import { lockReservations, type Reservation, unreserve } from "../medusa/inventory"
import type { SharedTransaction } from "../medusa/shared-transaction"
import type { Database } from "../payments/payments"

/**
 * A hold is over when its time is, when its cart was deleted, or when its cart was completed and complete-cart, which marks
 * the cart before it has taken the units, can't be at work any more.
 */
const OVER = `(hold.kept_until <= clock_timestamp() OR cart.id IS NULL OR cart.deleted_at IS NOT NULL
  OR cart.completed_at < clock_timestamp() - interval '120 seconds')`

interface OverHold {
  id: string
  reservation_ids: string[]
}

/**
 * Locks holds that are over. Those that another transaction has are passed over: it is giving them back, or renewing them.
 * Those whose payment was made and waits for its decision are kept for it.
 */
export async function lockOverHolds(
  { sql }: SharedTransaction,
  which: { itemIds?: string[]; ids?: string[]; except?: string[] },
): Promise<OverHold[]> {
  const { rows } = await sql.raw(
    `SELECT hold.id, hold.reservation_ids FROM stripe_hold AS hold LEFT JOIN cart ON cart.id = hold.id
      WHERE ${which.itemIds ? "hold.kept_until <= clock_timestamp()" : OVER}
        AND (CAST(:ids AS text[]) IS NULL OR hold.id = ANY(:ids)) AND hold.id <> ALL(:except)
        AND (CAST(:itemIds AS text[]) IS NULL OR EXISTS (
          SELECT 1 FROM reservation_item AS item
           WHERE item.id = ANY(hold.reservation_ids) AND item.inventory_item_id = ANY(:itemIds) AND item.deleted_at IS NULL))
      ORDER BY hold.id FOR UPDATE OF hold SKIP LOCKED`,
    { ids: which.ids ?? null, itemIds: which.itemIds ?? null, except: which.except ?? [] },
  )
  return await withoutPaid(sql, rows)
}

export interface OverItems {
  id: string
  item_ids: string[]
}

/** Some holds that are over, with the items that they have to give back. */
export async function readOverHolds(db: Database, limit: number): Promise<OverItems[]> {
  const { rows } = await db.raw(
    `SELECT hold.id, COALESCE((
              SELECT array_agg(DISTINCT item.inventory_item_id ORDER BY item.inventory_item_id) FROM reservation_item AS item
               WHERE item.id = ANY(hold.reservation_ids) AND item.deleted_at IS NULL), '{}') AS item_ids
       FROM stripe_hold AS hold LEFT JOIN cart ON cart.id = hold.id
      WHERE ${OVER} ORDER BY hold.kept_until LIMIT ?`,
    [limit],
  )
  return await withoutPaid(db, rows)
}

/**
 * Gives back what expired holds have of these items. A request that needs the stock calls this, so it need not wait for the sweep.
 * The caller holds the items' locks.
 */
export async function giveBackOver(
  transaction: SharedTransaction,
  itemIds: string[],
  except: string[] = [],
): Promise<Reservation[]> {
  if (itemIds.length === 0) {
    return []
  }
  const over = await lockOverHolds(transaction, { itemIds, except })
  const ids = over.flatMap(({ reservation_ids }) => reservation_ids)
  const reservations = await lockReservations(transaction, ids, itemIds)
  await unreserve(transaction, reservations)
  return reservations
}

async function withoutPaid<T extends { id: string }>(db: Database, holds: T[]): Promise<T[]> {
  if (holds.length === 0) {
    return []
  }
  const awaiting = await cartsAwaitingDecision(db)
  return holds.filter(({ id }) => !awaiting.has(id))
}

/** Carts of payments that were made, and have not been decided about. */
async function cartsAwaitingDecision(db: Database): Promise<Set<string>> {
  const { rows } = await db.raw(
    `WITH named AS MATERIALIZED (
       SELECT payment.cart_id, substring(event.payload from '"cart_id" *: *"([^"\\\\]+)"') AS named_cart,
              substring(event.payload from '"session_id" *: *"([^"\\\\]+)"') AS session_id,
              substring(event.payload from '"client_reference_id" *: *"(cart_[^"\\\\]+)"') AS referred
         FROM stripe_payment AS payment
         LEFT JOIN stripe_event AS event ON event.payment_intent_id = payment.id AND event.payload IS NOT NULL
        WHERE payment.status IN ('pending', 'lookup', 'completing') AND payment.deleted_at IS NULL)
     SELECT unnest(ARRAY[named.cart_id, named.named_cart, named.referred, link.cart_id]) AS cart_id FROM named
       LEFT JOIN payment_session AS session ON session.id = named.session_id
       LEFT JOIN cart_payment_collection AS link ON link.payment_collection_id = session.payment_collection_id`,
  )
  return new Set(rows.map(({ cart_id }: { cart_id: string | null }) => cart_id))
}
