import type { Context, MedusaContainer } from "@medusajs/framework/types"
import { MedusaError, Modules } from "@medusajs/framework/utils"
import { giveBackOver } from "../holds/over"
import { lockHolds, markClaimed, markHeldAgain } from "../holds/rows"
import { databaseOf } from "../plugin"
import { currentCart } from "./cart-in-flow"
import {
  type Level,
  lockLevelsEverywhere,
  lockReservations,
  type Reservation,
  turnOverToCart,
  unreserve,
} from "./inventory"
import { inOneTransaction, type SharedTransaction } from "./shared-transaction"

/** What Medusa's flows reserve. */
interface NewReservation {
  inventory_item_id: string
  location_id: string
  quantity: unknown
  allow_backorder?: boolean
}

/** Of Medusa's Inventory Module, what its flows take stock with. */
interface InventoryService {
  createReservationItems(input: NewReservation | NewReservation[], context?: Context): Promise<unknown>
  deleteReservationItems(ids: string | string[], context?: Context): Promise<void>
  confirmInventory(item: string, locations: string[], quantity: unknown, context?: Context): Promise<boolean>
  retrieveAvailableQuantity(item: string, locations: string[], context?: Context): Promise<unknown>
}

const WRAPPED = Symbol.for("@holdfast/medusa-stripe-orders: credits holds")

/**
 * Medusa's flows never refuse a buyer what the buyer holds, and no other buyer gets the units in between: what the cart at work holds
 * is exchanged for what its order reserves in one transaction. Where there is too little, holds that are over are given
 * back first, by the request that needs the stock.
 *
 * Only calls without a transaction of their own are taken: those that have one are written by another's rules.
 */
export function creditHolds(container: MedusaContainer): void {
  const service = container.resolve(Modules.INVENTORY) as unknown as InventoryService &
    Record<symbol, boolean>
  if (service[WRAPPED]) {
    return
  }
  service[WRAPPED] = true
  const create = service.createReservationItems.bind(service)
  const remove = service.deleteReservationItems.bind(service)
  const confirm = service.confirmInventory.bind(service)

  service.createReservationItems = async (input, context = {}) => {
    if (context.transactionManager) {
      return await create(input, context)
    }
    const cart_id = currentCart()
    const within = (transaction: SharedTransaction) => ({ ...context, ...transaction.join(service) })
    const reserve = async (transaction: SharedTransaction, some: NewReservation | NewReservation[]) =>
      await create(some, within(transaction))
    if (cart_id && (await holds(container, cart_id))) {
      return await inOneTransaction(container, (transaction) =>
        exchange(transaction, cart_id, input, reserve),
      )
    }
    return await create(input, context).catch(async (error) => {
      if (!isShort(error)) {
        throw error
      }
      return await inOneTransaction(container, async (transaction) => {
        const freed = await giveBackOver(transaction, itemsOf(input))
        if (freed.length === 0) {
          throw error
        }
        return await reserve(transaction, input)
      })
    })
  }

  service.deleteReservationItems = async (ids, context = {}) => {
    const cart_id = currentCart()
    if (!cart_id || context.transactionManager || !(await holds(container, cart_id))) {
      return await remove(ids, context)
    }
    await inOneTransaction(container, async (transaction) => {
      const rest = await holdAgain(transaction, cart_id, [ids].flat())
      if (rest.length > 0) {
        await remove(rest, { ...context, ...transaction.join(service) })
      }
    })
  }

  service.confirmInventory = async (item, locations, quantity, context = {}) => {
    if (await confirm(item, locations, quantity, context)) {
      return true
    }
    const available = await service.retrieveAvailableQuantity(item, locations, context)
    const more = await freeForCart(container, item, locations)
    return Number(available) + more >= Number(quantity)
  }
}

async function holds(container: MedusaContainer, cart_id: string): Promise<boolean> {
  const { rows } = await databaseOf(container).raw(`SELECT 1 FROM stripe_hold WHERE id = ?`, [cart_id])
  return rows.length > 0
}

function itemsOf(input: NewReservation | NewReservation[]): string[] {
  return [...new Set([input].flat().map(({ inventory_item_id }) => inventory_item_id))].sort()
}

/** Medusa's check at one location. */
function isShort(error: unknown): boolean {
  const { type, message } = error as MedusaError
  return type === MedusaError.Types.NOT_ALLOWED && /^Not enough stock/.test(message)
}

type Reserve = (transaction: SharedTransaction, input: NewReservation | NewReservation[]) => Promise<unknown>

async function exchange(
  transaction: SharedTransaction,
  cart_id: string,
  input: NewReservation | NewReservation[],
  reserve: Reserve,
): Promise<unknown> {
  const hold = (await lockHolds(transaction, [cart_id])).get(cart_id)
  const itemIds = itemsOf(input)
  const ids = hold?.reservation_ids ?? []
  const levels = await lockLevelsEverywhere(transaction, itemIds)
  const held = await lockReservations(transaction, ids, itemIds)
  await unreserve(transaction, held)
  const freed = await giveBackOver(transaction, itemIds, [cart_id])
  const left = new Left(levels, [...held, ...freed])
  const placed = [input].flat().map((one) => place(one, held, left))
  const reserved = await reserve(transaction, Array.isArray(input) ? placed : (placed[0] as NewReservation))
  const taken = new Set(held.map(({ id }) => id))
  await markClaimed(
    transaction,
    cart_id,
    ids.filter((id) => !taken.has(id)),
  )
  return reserved
}

/** Medusa chose the location before it knew of the hold: a line that has too little there is served where the cart holds it. */
function place(one: NewReservation, held: Reservation[], left: Left): NewReservation {
  const { inventory_item_id: item, allow_backorder } = one
  const quantity = Number(one.quantity)
  const places = [one.location_id, ...held.map(({ location_id }) => location_id)]
  const enough = places.find((location) => left.at(item, location) >= quantity)
  const location_id = allow_backorder || !enough ? one.location_id : enough
  left.take(item, location_id, quantity)
  return { ...one, location_id }
}

class Left {
  readonly #units = new Map<string, number>()

  constructor(levels: Level[], freed: Reservation[]) {
    for (const { inventory_item_id, location_id, available } of levels) {
      this.take(inventory_item_id, location_id, -available)
    }
    for (const { inventory_item_id, location_id, quantity } of freed) {
      this.take(inventory_item_id, location_id, -quantity)
    }
  }

  at(item: string, location: string): number {
    return this.#units.get(`${item} ${location}`) ?? 0
  }

  take(item: string, location: string, quantity: number): void {
    this.#units.set(`${item} ${location}`, this.at(item, location) - quantity)
  }
}

/** The completion failed after it took the units: they are the cart's again. Returns the reservations that are not. */
async function holdAgain(transaction: SharedTransaction, cart_id: string, ids: string[]): Promise<string[]> {
  const hold = (await lockHolds(transaction, [cart_id])).get(cart_id)
  if (!hold?.is_claimed || hold.is_over) {
    return ids
  }
  const again = await turnOverToCart(transaction, cart_id, ids)
  await markHeldAgain(transaction, cart_id, [...hold.reservation_ids, ...again])
  return ids.filter((id) => !again.includes(id))
}

/** What the cart at work holds of an item, and what holds that are over have of it. */
async function freeForCart(container: MedusaContainer, item: string, locations: string[]): Promise<number> {
  const { rows } = await databaseOf(container).raw(
    `SELECT COALESCE(sum(item.quantity), 0)::float8 AS quantity
       FROM stripe_hold AS hold JOIN reservation_item AS item ON item.id = ANY(hold.reservation_ids)
      WHERE item.inventory_item_id = ? AND item.location_id = ANY(?) AND item.deleted_at IS NULL
        AND (hold.id = ? OR hold.kept_until <= clock_timestamp())`,
    [item, locations, currentCart() ?? ""],
  )
  return rows[0].quantity
}
