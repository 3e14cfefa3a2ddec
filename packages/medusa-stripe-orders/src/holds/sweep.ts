import type { ILockingModule, MedusaContainer } from "@medusajs/framework/types"
import { Modules } from "@medusajs/framework/utils"
import { lockReservations, unreserve } from "../medusa/inventory"
import { inOneTransaction, type SharedTransaction } from "../medusa/shared-transaction"
import type { Database } from "../payments/payments"
import { lockOverHolds, type OverItems, readOverHolds } from "./over"
import { leaveHolds } from "./rows"

const AT_ONCE = 200
const LOCK_TIMEOUT_SECONDS = 10

/**
 * Gives back the holds that are over, under the locks of their items: Medusa's own flows write quantities that they read
 * before. Any number of processes may do it at once; each hold is given back by one.
 *
 * @returns how many
 */
export async function sweepHolds(container: MedusaContainer, db: Database): Promise<number> {
  let swept = 0
  for (;;) {
    const over = await readOverHolds(db, AT_ONCE)
    let some = 0
    for (const { itemIds, ids } of byItems(over)) {
      some += await underLocksOf(container, itemIds, (transaction) => giveBack(transaction, itemIds, ids))
    }
    swept += some
    if (over.length < AT_ONCE || some === 0) {
      return swept
    }
  }
}

/** Holds of the same items need one lock request. */
function byItems(holds: OverItems[]): { itemIds: string[]; ids: string[] }[] {
  const groups = new Map<string, { itemIds: string[]; ids: string[] }>()
  for (const { id, item_ids: itemIds } of holds) {
    const key = itemIds.join(" ")
    const group = groups.get(key) ?? { itemIds, ids: [] }
    group.ids.push(id)
    groups.set(key, group)
  }
  return [...groups.values()]
}

async function giveBack(transaction: SharedTransaction, itemIds: string[], ids: string[]): Promise<number> {
  const holds = await lockOverHolds(transaction, { ids })
  await giveBackUnits(transaction, itemIds, holds)
  return holds.length
}

/** Gives back what these holds, whose rows are locked, have of these items. What they have of others is left to the next sweep. */
export async function giveBackUnits(
  transaction: SharedTransaction,
  itemIds: string[],
  holds: { id: string; reservation_ids: string[] }[],
): Promise<void> {
  const ids = holds.flatMap(({ reservation_ids }) => reservation_ids)
  const reservations = await lockReservations(transaction, ids, itemIds)
  await unreserve(transaction, reservations)
  const left = await stillReserved(transaction, ids)
  await leaveHolds(
    transaction,
    holds.map(({ id, reservation_ids }) => ({
      id,
      reservation_ids: reservation_ids.filter((one) => left.has(one)),
    })),
  )
}

async function stillReserved({ sql }: SharedTransaction, ids: string[]): Promise<Set<string>> {
  const { rows } = await sql.raw(`SELECT id FROM reservation_item WHERE id = ANY(?) AND deleted_at IS NULL`, [
    ids,
  ])
  return new Set(rows.map(({ id }: { id: string }) => id))
}

/** A transaction under the locks of these items, in line with everyone else who wants them. */
export async function underLocksOf<T>(
  container: MedusaContainer,
  itemIds: string[],
  work: (transaction: SharedTransaction) => Promise<T>,
): Promise<T> {
  const locking: ILockingModule = container.resolve(Modules.LOCKING)
  const transact = () => inOneTransaction(container, work)
  return itemIds.length > 0
    ? await locking.execute([...itemIds].sort(), transact, { timeout: LOCK_TIMEOUT_SECONDS })
    : await transact()
}
