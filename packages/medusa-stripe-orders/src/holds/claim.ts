import { type Level, lockReservations, type Reservation } from "../medusa/inventory"
import type { SharedTransaction } from "../medusa/shared-transaction"
import { giveBackOver } from "./over"
import type { Hold } from "./rows"
import { giveBackUnits } from "./sweep"

/** What carts hold, taken for their orders: no other transaction sees it free before this one ends. */
export interface ClaimedHolds {
  /** by cart; still reserved in the levels as they were read */
  held: Map<string, Reservation[]>
  /** what holds that are over had of the items: free for all */
  freed: Reservation[]
}

/**
 * Takes the holds of carts that become orders, in the transaction that makes them, with the holds' rows and the items' levels
 * locked. An order that finds too little in spite of its hold leaves the units to the next.
 */
export async function claimHolds(
  transaction: SharedTransaction,
  holds: Hold[],
  itemIds: string[],
): Promise<ClaimedHolds> {
  const held = new Map<string, Reservation[]>()
  if (holds.length > 0) {
    const ids = holds.flatMap(({ reservation_ids }) => reservation_ids)
    const reservations = await lockReservations(transaction, ids, itemIds)
    for (const { id, reservation_ids } of holds) {
      const own = new Set(reservation_ids)
      held.set(
        id,
        reservations.filter((one) => own.has(one.id)),
      )
    }
    await giveBackUnits(transaction, itemIds, holds)
  }
  const own = holds.map(({ id }) => id)
  return { held, freed: await giveBackOver(transaction, itemIds, own) }
}

/** The levels as they are after some units were given back. */
export function withFreed(levels: Level[], freed: Reservation[]): Level[] {
  return levels.map((level) => ({
    ...level,
    available: freed
      .filter(
        (one) => one.inventory_item_id === level.inventory_item_id && one.location_id === level.location_id,
      )
      .reduce((sum, { quantity }) => sum + quantity, level.available),
  }))
}
