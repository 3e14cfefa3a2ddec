import { formatMinorUnits } from "../order-draft/amounts"
import type { OrderDraft } from "../order-draft/order-draft"
import type { Outcome } from "../payments/payments"
import { OUT_OF_STOCK } from "../payments/reasons"
import type { Batch } from "./batch"
import type { ServedOrder } from "./serve"
import type { Shortage } from "./stock"

/**
 * What becomes of a payment whose order is not in stock: its money goes back (an authorization is canceled), the order is
 * made without stock, it is made of what there is and the rest of the money goes back, or a person decides.
 */
export const WHEN_OUT_OF_STOCK = ["refund", "backorder", "partial", "review"] as const

export type WhenOutOfStock = (typeof WHEN_OUT_OF_STOCK)[number]

/** Nothing of the order was taken. */
export function outOfStock(batch: Batch, draft: OrderDraft, short: Shortage[]): Outcome {
  const { payment, order } = draft
  const { whenOutOfStock } = batch.stockPolicy(draft)
  const reason = `${OUT_OF_STOCK}${describe(order, short)}`
  const line = { kind: "decision" as const, text: `Sold out: ${reason}`, data: { short } }
  return batch.outcome(payment.id, whenOutOfStock === "review" ? "review" : "refunding", line, { reason })
}

/** A variant may be sold without stock, but no location keeps its inventory item: Medusa can't reserve it, nor fulfil it. */
export function unstocked(batch: Batch, { payment, order }: OrderDraft, lines: string[]): Outcome {
  const names = lines.map((id) => nameOf(order, id)).join(", ")
  const reason = `${names} may be backordered, but has no inventory level at a stock location of its sales channel: add one, then retry`
  return batch.outcome(payment.id, "review", { kind: "decision", text: reason }, { reason })
}

/** How an order came about that was not in stock as a whole; null where it was. */
export function servedHow(
  { order_amount }: ServedOrder,
  { payment, order }: OrderDraft,
  short: Shortage[],
): string | null {
  if (short.length === 0) {
    return null
  }
  if (order_amount === null) {
    return `backordered: ${describe(order, short)}`
  }
  const sum = (minor: number) => formatMinorUnits(minor, payment.currency)
  return `served in part: ${describe(order, short)}; the order comes to ${sum(order_amount)} of ${sum(payment.amount)}, the rest goes back`
}

function describe(order: OrderDraft["order"], short: Shortage[]): string {
  return short
    .map(({ line_item_id, wanted, available }) => {
      return `${wanted} of ${nameOf(order, line_item_id)} wanted, ${available} available`
    })
    .join("; ")
}

function nameOf({ items }: OrderDraft["order"], line_item_id: string): string {
  const line = items.find(({ id }) => id === line_item_id)
  const variant = line?.variant_sku ?? line?.variant_id
  return `${line?.title ?? line_item_id}${variant ? ` (${variant})` : ""}`
}
