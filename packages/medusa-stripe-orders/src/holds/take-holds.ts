import { allocate, type StockRequest } from "../decide/stock"
import { readCartContents } from "../medusa/carts"
import { lockLevels, lockReservations, type Reservation } from "../medusa/inventory"
import { lockCarts } from "../medusa/order-links"
import type { SharedTransaction } from "../medusa/shared-transaction"
import { Buyers } from "./buyers"
import { withFreed } from "./claim"
import { exchange } from "./exchange"
import type { HoldOptions, Refusal } from "./limits"
import { giveBackOver } from "./over"
import type { Plan } from "./plan"
import { type Hold, lockHolds } from "./rows"

/** A line that can't be held whole. */
export interface ShortLine {
  line_item_id: string
  variant_id: string | null
  title: string
  sku: string | null
  wanted: number
  available: number
}

export type HoldResult =
  | { kind: "held" }
  | { kind: "short"; items: ShortLine[] }
  | { kind: "refused"; refusal: Refusal }
  /** The cart, or its hold, is no longer as it was planned: plan again. */
  | { kind: "changed" }

/**
 * Holds what carts want, first come, first served, in one transaction under the locks of their items. A cart that can't
 * have all of it gets nothing, keeps what it held, and is told at once what there is.
 *
 * Rows are locked in the order in which a decision locks them: carts, holds, levels.
 */
export async function takeHolds(
  transaction: SharedTransaction,
  plans: Plan[],
  itemIds: string[],
  options: HoldOptions,
): Promise<Map<string, HoldResult>> {
  const results = new Map<string, HoldResult>()
  const buyers = await Buyers.counted(transaction, plans, options)
  const holds = await lockAsPlanned(transaction, plans, itemIds, results)
  const open = plans.filter(
    ({ cart_id }) => !results.has(cart_id) && isOpen(holds.get(cart_id), cart_id, options, results),
  )
  const locations = open.flatMap(({ demands }) => demands.flatMap(({ location_ids }) => location_ids))
  const levels = await lockLevels(transaction, itemIds, [...new Set(locations)])
  const freed = await giveBackOver(
    transaction,
    itemIds,
    plans.map(({ cart_id }) => cart_id),
  )
  const held = await reservationsOf(transaction, open, holds, itemIds)
  const admitted = open.filter((plan) => {
    const isHeld = holds.get(plan.cart_id)?.is_over === false
    const refusal = plan.onlyLess || isHeld ? null : buyers.refusalOf(plan)
    if (refusal) {
      results.set(plan.cart_id, { kind: "refused", refusal })
    }
    return !refusal
  })
  const { taken, short } = allocate(
    withFreed(levels, freed),
    admitted.map((plan) => requestOf(plan, held.get(plan.cart_id) ?? [])),
  )
  for (const plan of admitted) {
    const items = short.get(plan.cart_id)
    results.set(
      plan.cart_id,
      items
        ? { kind: "short", items: items.map((one) => ({ ...titleOf(plan, one), ...one })) }
        : { kind: "held" },
    )
  }
  if (short.size > 0) {
    // A buyer who was refused may have been counted for a cart that got nothing.
    planRefusedAgain(open, admitted, results)
  }
  const served = admitted.filter(({ cart_id }) => taken.has(cart_id))
  await exchange(transaction, { served, taken, held, holds, options })
  return results
}

function planRefusedAgain(open: Plan[], admitted: Plan[], results: Map<string, HoldResult>): void {
  const others = open.filter((plan) => !admitted.includes(plan))
  const got = (plan: Plan) => results.get(plan.cart_id)?.kind !== "short"
  const isOf = (one: Plan, other: Plan) =>
    (one.customer_id && one.customer_id === other.customer_id) ||
    (one.ip_hash && one.ip_hash === other.ip_hash)
  for (const plan of others) {
    if (admitted.some((other) => !got(other) && isOf(plan, other))) {
      results.set(plan.cart_id, { kind: "changed" })
    }
  }
}

/** The holds of the carts. Carts whose lines, or whose holds, are no longer as they were planned are left out. */
async function lockAsPlanned(
  transaction: SharedTransaction,
  plans: Plan[],
  itemIds: string[],
  results: Map<string, HoldResult>,
): Promise<Map<string, Hold>> {
  const ids = plans.map(({ cart_id }) => cart_id)
  // The row keeps changes of the cart out: what looks after its hold locks it too, and sees what is written here.
  await lockCarts(transaction, ids)
  const holds = await lockHolds(transaction, ids)
  const carts = await readCartContents(transaction.sql, ids)
  const elsewhere = await itemsElsewhere(transaction, [...holds.values()], itemIds)
  for (const { cart_id, lines } of plans) {
    const cart = carts.get(cart_id)
    if (!cart || cart.is_completed || !isSame(cart.lines, lines) || elsewhere.has(cart_id)) {
      results.set(cart_id, { kind: "changed" })
    }
  }
  return holds
}

/** Carts that hold something of an item that is not locked. */
async function itemsElsewhere(
  { sql }: SharedTransaction,
  holds: Hold[],
  itemIds: string[],
): Promise<Set<string>> {
  const ids = holds.flatMap(({ reservation_ids }) => reservation_ids)
  if (ids.length === 0) {
    return new Set()
  }
  const { rows } = await sql.raw(
    `SELECT id FROM reservation_item WHERE id = ANY(?) AND inventory_item_id <> ALL(?) AND deleted_at IS NULL`,
    [ids, itemIds],
  )
  const elsewhere = new Set(rows.map(({ id }: { id: string }) => id))
  return new Set(
    holds
      .filter(({ reservation_ids }) => reservation_ids.some((id) => elsewhere.has(id)))
      .map(({ id }) => id),
  )
}

/** Whether there is anything to do: complete-cart may have the units, or the longest time may be up. */
function isOpen(
  hold: Hold | undefined,
  cart_id: string,
  { longest }: HoldOptions,
  results: Map<string, HoldResult>,
): boolean {
  if (hold?.is_claimed) {
    results.set(cart_id, { kind: "held" })
    return false
  }
  if (hold && !hold.is_over && hold.age >= longest) {
    results.set(cart_id, { kind: "refused", refusal: pastItsTime(hold) })
    return false
  }
  return true
}

function pastItsTime({ kept_until }: Hold): Refusal {
  const until = kept_until.toISOString()
  const message = `This cart was held for the longest time that is allowed, and what it holds is given back at ${until}. Pay now, or hold it again then.`
  return { status: 409, code: "hold_expired", message }
}

async function reservationsOf(
  transaction: SharedTransaction,
  plans: Plan[],
  holds: Map<string, Hold>,
  itemIds: string[],
): Promise<Map<string, Reservation[]>> {
  const idsOf = ({ cart_id }: Plan) => holds.get(cart_id)?.reservation_ids ?? []
  const reservations = await lockReservations(transaction, plans.flatMap(idsOf), itemIds)
  return new Map(
    plans.map((plan) => {
      const ids = new Set(idsOf(plan))
      return [plan.cart_id, reservations.filter(({ id }) => ids.has(id))]
    }),
  )
}

function requestOf({ cart_id, demands, onlyLess }: Plan, held: Reservation[]): StockRequest {
  // Less than before is always there, unless a person took it away in the admin.
  return { id: cart_id, demands, held, keepsHeld: true, whenOutOfStock: onlyLess ? "partial" : "refund" }
}

function titleOf({ lines }: Plan, { line_item_id }: { line_item_id: string }) {
  const line = lines.find(({ id }) => id === line_item_id)
  return { variant_id: line?.variant_id ?? null, title: line?.title ?? "", sku: line?.sku ?? null }
}

function isSame(a: Plan["lines"], b: Plan["lines"]): boolean {
  const texts = [a, b].map((lines) =>
    lines.map(({ id, variant_id, quantity }) => `${id} ${variant_id} ${quantity}`),
  )
  return String(texts[0]) === String(texts[1])
}
