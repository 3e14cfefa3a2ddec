import { newId } from "../ids"
import type { Allocation } from "../medusa/inventory"
import { toMinorUnits } from "../order-draft/amounts"
import { usageOf } from "../order-draft/from-cart"
import type { Demand, OrderDraft, OrderLine } from "../order-draft/order-draft"
import { totalOf } from "../order-draft/total"
import type { Take } from "./stock"

/** An order with the stock that it got. */
export interface ServedOrder extends OrderDraft {
  allocations: Allocation[]
  /** minor units: what the order comes to, where that is less than what was paid; else null */
  order_amount: number | null
}

/**
 * The order as its stock allows it. A line that is taken from several locations becomes a line for each: Medusa's
 * fulfilment takes the whole quantity from every reservation of a line. A line that got less than it wanted becomes
 * shorter, with its share of the discounts.
 */
export function serve(draft: OrderDraft, takes: Take[]): ServedOrder {
  const demands = new Map(draft.demands.map((demand) => [demand.line_item_id, demand]))
  const allocations: Allocation[] = []
  let isInPart = false
  let isSplit = false
  const items = draft.order.items.flatMap((line) => {
    const demand = demands.get(line.id)
    if (!demand) {
      return [line]
    }
    const own = takes.filter(({ line_item_id }) => line_item_id === line.id)
    const lines = own.map((take, index) => shareOf(line, take.quantity, index === 0))
    allocations.push(...own.flatMap((take, index) => allocated(demand, take, lines[index] as OrderLine)))
    isInPart ||= own.reduce((sum, { quantity }) => sum + quantity, 0) < demand.quantity
    isSplit ||= own.length > 1
    return lines
  })
  if (!isInPart && !isSplit) {
    return { ...draft, allocations, order_amount: null }
  }
  const order = { ...draft.order, items }
  const total = totalOf(order)
  if (!isInPart) {
    return { ...draft, order, total, allocations, order_amount: null }
  }
  // What is captured already stays what was paid, until the rest of it is refunded.
  const paid = draft.payment.status === "succeeded" ? draft.total : total
  return {
    ...draft,
    order,
    promotion_usage: usageInPart(draft, order),
    total: paid,
    allocations,
    order_amount: toMinorUnits(total, draft.payment.currency),
  }
}

/** The discounts of the lines that are left; those of a checkout outside Medusa are no promotions here. */
function usageInPart({ promotion_usage }: OrderDraft, order: OrderDraft["order"]) {
  return promotion_usage.length > 0 ? usageOf(order.items, order.shipping_methods ?? []) : []
}

function allocated(
  { parts, allow_backorder }: Demand,
  { location_id, quantity }: Take,
  { id }: OrderLine,
): Allocation[] {
  return parts.map(({ inventory_item_id, required_quantity }) => ({
    line_item_id: id,
    inventory_item_id,
    location_id,
    quantity: quantity * required_quantity,
    allow_backorder,
  }))
}

interface Amount {
  id?: string
  amount: number
}

/** The line with `quantity` of its units; its first share keeps its id. */
function shareOf(line: OrderLine, quantity: number, isFirst: boolean): OrderLine {
  const share = quantity / Number(line.quantity)
  if (share === 1) {
    return line
  }
  const { adjustments = [], tax_lines = [] } = line as unknown as {
    adjustments?: Amount[]
    tax_lines?: Amount[]
  }
  const own = {
    ...line,
    id: isFirst ? line.id : newId("ordli"),
    quantity,
    adjustments: adjustments.map(({ id, ...one }) => ({ ...one, amount: one.amount * share })),
    tax_lines: tax_lines.map(({ id, ...one }) => one),
  }
  return own as unknown as OrderLine
}
