import type { Take } from "../decide/stock"
import {
  type Allocation,
  type Reservation,
  reserveForCarts,
  type Units,
  unreserve,
} from "../medusa/inventory"
import type { SharedTransaction } from "../medusa/shared-transaction"
import type { Demand } from "../order-draft/order-draft"
import type { HoldOptions } from "./limits"
import type { Plan } from "./plan"
import { type HeldLine, type Hold, leaveHolds, type Taken, writeHolds } from "./rows"

interface Exchange {
  served: Plan[]
  taken: Map<string, Take[]>
  held: Map<string, Reservation[]>
  holds: Map<string, Hold>
  options: HoldOptions
}

/** What was held before goes back, and what was taken is reserved, in one step for all. What stays the same is left alone. */
export async function exchange(
  transaction: SharedTransaction,
  { served, taken, held, holds, options }: Exchange,
) {
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
