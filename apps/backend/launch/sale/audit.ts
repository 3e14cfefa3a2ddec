import type Stripe from "stripe"
import type { StockLevel } from "../stock.ts"
import type { Order, ShopTables } from "./shop-tables.ts"

/** The keys of `--json`. */
export interface Figures {
  payments: number
  /** Webhooks sent, repeated ones included. */
  deliveries: number
  orders: number
  /** Of the hot variant. */
  unitsSold: number
  oversold: number
  /** Orders beyond the one that a payment may have. */
  duplicateOrders: number
  /** Payments whose money is kept or held with neither an order nor a review. */
  lostPayments: number
  refunded: number
  canceled: number
  stockBefore: number
  stockAfter: number
  seconds: number
}

export interface Rule {
  says: string
  held: boolean
  /** The finding in words. */
  found: string
}

export interface Findings {
  figures: Figures
  rules: Rule[]
  /** Why payments need review. */
  reasons: string[]
}

/** One payment as Stripe has it. */
export interface Money {
  id: string
  status: Stripe.PaymentIntent.Status
  currency: string
  /** Minor units that are captured or authorised, and not refunded. */
  kept: number
  /** How many refunds of captured money there are. */
  refunds: number
}

export interface Evidence {
  orders: Order[]
  money: Money[]
  levels: Pick<StockLevel, "sku" | "reserved" | "reservations" | "agree">[]
  /** Payments that need review, and why. */
  reviews: { id: string; reason: string | null }[]
  unsettled: string[]
  demand: number
  deliveries: number
  stockBefore: number
  stockAfter: number
  seconds: number
}

/** Reads each payment and its refunds from Stripe. */
export async function askStripe(stripe: Stripe, intents: string[]): Promise<Money[]> {
  return Promise.all(
    intents.map(async (id) => {
      const { status, currency, ...intent } = await stripe.paymentIntents.retrieve(id)
      // Stripe releases a canceled authorisation by a refund too, though nothing was captured.
      const captured = intent.amount_received > 0
      const { data } = await stripe.refunds.list({ payment_intent: id })
      const refunds = data.filter(
        (refund) => captured && ["succeeded", "pending"].includes(refund.status ?? ""),
      )
      const returned = refunds.reduce((sum, { amount }) => sum + amount, 0)
      const kept = intent.amount_received + intent.amount_capturable - returned
      return { id, status, currency, kept, refunds: refunds.length }
    }),
  )
}

export async function gather(tables: ShopTables, domain: string, hotVariantId: string) {
  return { orders: await tables.orders(domain, hotVariantId), levels: await tables.levels() }
}

export function judge(evidence: Evidence): Findings {
  const figures = computeFigures(evidence)
  const reasons = [...new Set(evidence.reviews.map(({ reason }) => reason ?? "no reason given"))]
  return { figures, rules: rulesOf(evidence, figures), reasons }
}

function computeFigures({ orders, money, reviews, ...rest }: Evidence): Figures {
  const ordered = new Set(orders.flatMap(({ intents }) => intents))
  const reviewed = new Set(reviews.map(({ id }) => id))
  const unitsSold = orders.reduce((sum, { hot }) => sum + hot, 0)
  return {
    payments: money.length,
    deliveries: rest.deliveries,
    orders: orders.length,
    unitsSold,
    oversold: Math.max(0, unitsSold - rest.stockBefore),
    duplicateOrders: orders.length - ordered.size,
    lostPayments: money.filter(({ id, kept }) => kept > 0 && !ordered.has(id) && !reviewed.has(id)).length,
    refunded: money.reduce((sum, { refunds }) => sum + refunds, 0),
    canceled: money.filter(({ status }) => status === "canceled").length,
    stockBefore: rest.stockBefore,
    stockAfter: rest.stockAfter,
    seconds: rest.seconds,
  }
}

function rulesOf(evidence: Evidence, figures: Figures): Rule[] {
  const { unitsSold, oversold, duplicateOrders, lostPayments, stockBefore, stockAfter } = figures
  const sellable = Math.min(stockBefore, evidence.demand)
  const wrongReturns = evidence.money.filter((payment) => !isReturnedRightly(payment, evidence)).length
  const wrongTotals = evidence.orders.filter((order) => !isPaidExactly(order, evidence.money)).length
  const wrongLevels = evidence.levels.filter(
    ({ reserved, reservations, agree }) => reserved !== reservations || !agree,
  )
  const { unsettled, reviews } = evidence
  return [
    rule("No unit was sold twice", oversold === 0, `${unitsSold} sold of ${stockBefore}`),
    rule("No buyer was refused while there was stock", unitsSold >= sellable, `${sellable} could be sold`),
    rule("No payment became two orders", duplicateOrders === 0, `${figures.orders} orders`),
    rule("No money was kept without an order", lostPayments === 0, `${lostPayments} lost`),
    rule("Unfilled payments were fully returned, once", wrongReturns === 0, returned(figures, wrongReturns)),
    rule("Each order costs what was paid", wrongTotals === 0, `${wrongTotals} differ`),
    rule(
      "The stock records agree",
      wrongLevels.length === 0 && stockAfter === stockBefore - unitsSold,
      wrongLevels.length ? `wrong: ${wrongLevels.map(({ sku }) => sku).join(", ")}` : `${stockAfter} left`,
    ),
    rule(
      "Every payment was settled without review",
      unsettled.length + reviews.length === 0,
      `${unsettled.length} open, ${reviews.length} in review`,
    ),
  ]
}

const rule = (says: string, held: boolean, found: string): Rule => ({ says, held, found })

const returned = ({ refunded, canceled }: Figures, wrong: number) =>
  wrong ? `${wrong} wrong` : `${refunded} refunded, ${canceled} never charged`

function isReturnedRightly({ id, status, kept, refunds }: Money, { orders, reviews }: Evidence): boolean {
  if (reviews.some((review) => review.id === id)) return true
  const hasOrder = orders.some(({ intents }) => intents.includes(id))
  if (hasOrder) return status === "succeeded" && refunds === 0
  return kept === 0 && refunds === (status === "canceled" ? 0 : 1)
}

// Medusa doesn't round totals; Stripe takes whole minor units, of which a yen is one.
function isPaidExactly({ intents, total }: Order, money: Money[]): boolean {
  const paid = money.find(({ id }) => intents.includes(id))
  if (!paid) return false
  const units = new Intl.NumberFormat("en", { style: "currency", currency: paid.currency }).resolvedOptions()
  return Math.round(Number((total * 10 ** (units.maximumFractionDigits ?? 2)).toFixed(6))) === paid.kept
}
