import { allocate, type StockRequest, type Take } from "../decide/stock"
import { readCartContents } from "../medusa/carts"
import {
  type Allocation,
  lockLevels,
  lockReservations,
  type Reservation,
  reserveForCarts,
  type Units,
  unreserve,
} from "../medusa/inventory"
import { lockCarts } from "../medusa/order-links"
import type { SharedTransaction } from "../medusa/shared-transaction"
import type { Demand } from "../order-draft/order-draft"
import { withFreed } from "./claim"
import { buyerRefusal, type HoldOptions, type Refusal } from "./limits"
import { giveBackOver } from "./over"
import type { Plan } from "./plan"
import {
  countHolds,
  type HeldLine,
  type Hold,
  leaveHolds,
  lockBuyers,
  lockHolds,
  type Taken,
  writeHolds,
} from "./rows"

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

interface Exchange {
  served: Plan[]
  taken: Map<string, Take[]>
  held: Map<string, Reservation[]>
  holds: Map<string, Hold>
  options: HoldOptions
}

/** What was held before goes back, and what was taken is reserved, in one step for all. What stays the same is left alone. */
async function exchange(transaction: SharedTransaction, { served, taken, held, holds, options }: Exchange) {
  const takesOf = ({ cart_id }: Plan) => taken.get(cart_id) ?? []
  const heldBy = ({ cart_id }: Plan) => held.get(cart_id) ?? []
  const wanted = served.map((plan) => ({ plan, allocations: allocationsOf(plan.demands, takesOf(plan)) }))
  const changed = wanted.filter(({ plan, allocations }) => !isSameUnits(allocations, heldBy(plan)))
  await unreserve(
    transaction,
    changed.flatMap(({ plan }) => heldBy(plan)),
  )
  const reserved = await reserveForCarts(
    transaction,
    changed.map(({ plan, allocations }) => ({ cart_id: plan.cart_id, allocations })),
  )
  const rows = served.map((plan): Taken => {
    const { cart_id: id, customer_id, onlyLess } = plan
    const before = holds.get(id)
    const ip_hash = (onlyLess ? before?.ip_hash : plan.ip_hash) ?? null
    const lines = linesOf(takesOf(plan))
    const reservation_ids = reserved.get(id) ?? heldBy(plan).map((one) => one.id)
    return { id, customer_id, ip_hash, lines, reservation_ids, isNew: before?.is_over ?? true }
  })
  const isEmpty = ({ reservation_ids }: Taken) => reservation_ids.length === 0
  await writeHolds(
    transaction,
    rows.filter((row) => !isEmpty(row)),
    options,
  )
  await leaveHolds(transaction, rows.filter(isEmpty))
}

function isSameUnits(a: Units[], b: Units[]): boolean {
  const [one, other] = [a, b].map((units) => {
    const sums = new Map<string, number>()
    for (const { inventory_item_id, location_id, quantity } of units) {
      const key = `${inventory_item_id} ${location_id}`
      sums.set(key, (sums.get(key) ?? 0) + quantity)
    }
    return JSON.stringify([...sums].sort())
  })
  return one === other
}

function allocationsOf(demands: Demand[], takes: Take[]): Allocation[] {
  return takes.flatMap(({ line_item_id, location_id, quantity }) =>
    demands
      .filter((demand) => demand.line_item_id === line_item_id)
      .flatMap(({ parts, allow_backorder }) =>
        parts.map(({ inventory_item_id, required_quantity }) => ({
          line_item_id,
          inventory_item_id,
          location_id,
          quantity: quantity * required_quantity,
          allow_backorder,
        })),
      ),
  )
}

function linesOf(takes: Take[]): HeldLine[] {
  const lines = new Map<string, number>()
  for (const { line_item_id, quantity } of takes) {
    lines.set(line_item_id, (lines.get(line_item_id) ?? 0) + quantity)
  }
  return [...lines].map(([line_item_id, quantity]) => ({ line_item_id, quantity }))
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

/** How many carts each buyer holds, counted by one transaction at a time, and counted on while a batch is served. */
class Buyers {
  readonly #options: HoldOptions
  readonly #counts: Map<string, number>

  private constructor(options: HoldOptions, counts: Map<string, number>) {
    this.#options = options
    this.#counts = counts
  }

  static async counted(transaction: SharedTransaction, plans: Plan[], options: HoldOptions): Promise<Buyers> {
    const customers = options.perCustomer > 0 ? plans.flatMap(({ customer_id }) => customer_id ?? []) : []
    const addresses = options.perIp > 0 ? plans.flatMap(({ ip_hash }) => ip_hash ?? []) : []
    if (customers.length + addresses.length === 0) {
      return new Buyers(options, new Map())
    }
    await lockBuyers(transaction, [...customers, ...addresses])
    return new Buyers(options, await countHolds(transaction, { customers, addresses }))
  }

  /** Counts the cart where it is not refused. */
  refusalOf({ customer_id, ip_hash }: Plan): Refusal | null {
    const count = (who: string | null | undefined) => this.#counts.get(who ?? "") ?? 0
    const refusal = buyerRefusal({ ofCustomer: count(customer_id), ofAddress: count(ip_hash) }, this.#options)
    if (!refusal) {
      for (const who of [customer_id, ip_hash]) {
        this.#counts.set(who ?? "", count(who) + 1)
      }
    }
    return refusal
  }
}
