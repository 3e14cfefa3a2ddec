import type { Level, Order, PaymentRow, Snapshot, StripePayment } from "./snapshot.ts"
import { isTrue } from "./true-reasons.ts"

/** The rules, in the order of the report. */
export const RULES = {
  lost: "Each paid payment has a row, and an order, its money back, or a review",
  doubled: "No payment and no cart became two orders",
  oversold: "No unit is sold twice",
  kept: "No money is kept or held without an order",
  refunded: "No order shows money as paid that was refunded",
  amounts: "Orders, payments and Stripe agree about each amount",
  stuck: "Everything is at rest",
  stock: "The stock's sums agree, and every change is explained",
  untrue: "Each review and dispute has a true reason",
} as const

export type Rule = keyof typeof RULES

export interface Violation {
  rule: Rule
  /** The payment, order or item. */
  id: string
  what: string
}

/** What people have to know of, though no rule is broken. */
export interface Finding {
  kind: "review" | "disputed" | "announced twice" | "paid twice"
  id: string
  what: string
}

export interface Audit {
  violations: Violation[]
  findings: Finding[]
}

/** Judges a shop that is at rest. */
export function audit(snapshot: Snapshot): Audit {
  const books = new Books(snapshot)
  return {
    violations: [
      ...snapshot.payments.flatMap((payment) => [...lost(payment, books), ...kept(payment, books)]),
      ...doubled(snapshot, books),
      ...snapshot.orders.flatMap((order) => amounts(order, books)),
      ...snapshot.levels.flatMap((level) => [...oversold(level, snapshot, books), ...sums(level, snapshot)]),
      ...snapshot.orders.flatMap(reservations),
      ...stuck(snapshot),
      ...snapshot.rows.flatMap((row) => untrue(row, books)),
    ],
    findings: findings(snapshot),
  }
}

/** The snapshot, by id. */
export class Books {
  readonly #payments: ReadonlyMap<string, StripePayment>
  readonly #rows: ReadonlyMap<string, PaymentRow>
  readonly #orders: ReadonlyMap<string, Order>
  readonly #ofIntent: ReadonlyMap<string, ReadonlySet<Order>>
  readonly #ofCart: ReadonlyMap<string, ReadonlySet<Order>>

  constructor({ payments, rows, orders }: Snapshot) {
    this.#payments = new Map(payments.map((payment) => [payment.id, payment]))
    this.#rows = new Map(rows.map((row) => [row.id, row]))
    this.#orders = new Map(orders.map((order) => [order.id, order]))
    this.#ofIntent = ordersBy(orders, (order) => order.payments.flatMap(({ intent }) => intent ?? []))
    this.#ofCart = ordersBy(orders, ({ cartIds }) => cartIds)
  }

  payment = (id: string | null) => this.#payments.get(id ?? "")
  row = (id: string) => this.#rows.get(id)

  /** By Medusa's payments, and by what the plugin remembers. */
  ordersOf(intent: string): Order[] {
    const remembered = this.#orders.get(this.row(intent)?.orderId ?? "")
    return [...new Set([...(this.#ofIntent.get(intent) ?? []), ...(remembered ? [remembered] : [])])]
  }

  /** The store's own hook says so of its payment. */
  mayBackorder({ payments }: Order): boolean {
    return payments.some(({ intent }) => this.payment(intent)?.outOfStock === "backorder")
  }

  carts(): [cart: string, orders: Order[]][] {
    return [...this.#ofCart].map(([cart, orders]) => [cart, [...orders]])
  }
}

function ordersBy(orders: Order[], keysOf: (order: Order) => string[]): Map<string, Set<Order>> {
  const found = new Map<string, Set<Order>>()
  for (const order of orders)
    for (const key of keysOf(order)) found.set(key, (found.get(key) ?? new Set()).add(order))
  return found
}

const MONEY_BACK = ["refunded", "canceled", "void"]
const FOR_A_PERSON = ["review", "disputed"]

const isPaid = ({ captured, held }: StripePayment) => captured > 0 || held > 0

function lost(payment: StripePayment, books: Books): Violation[] {
  if (!isPaid(payment)) return []
  const row = books.row(payment.id)
  if (!row) return [violation("lost", payment.id, "is paid in Stripe, and the plugin has no row of it")]
  const isKnown = books.ordersOf(payment.id).length > 0
  const isExplained = [...MONEY_BACK, ...FOR_A_PERSON].includes(row.status) || !row.atRest
  if (isKnown || isExplained) return []
  return [violation("lost", payment.id, `is paid and ${row.status}, and there is no order`)]
}

function kept({ id, captured, refunded, held }: StripePayment, books: Books): Violation[] {
  const row = books.row(id)
  const left = captured - refunded + held
  const isCarried = books.ordersOf(id).some(({ canceled }) => !canceled)
  if (left <= 0 || isCarried || !row?.atRest || FOR_A_PERSON.includes(row.status)) return []
  return [violation("kept", id, `${left} of it are kept, and there is no living order (${row.status})`)]
}

function doubled({ payments }: Snapshot, books: Books): Violation[] {
  const names = (orders: Order[]) => orders.map(({ id }) => id).join(", ")
  const ofPayments = payments.flatMap(({ id }) => {
    const orders = books.ordersOf(id)
    return orders.length > 1 ? [violation("doubled", id, `became ${names(orders)}`)] : []
  })
  const ofCarts = books
    .carts()
    .flatMap(([cart, orders]) =>
      orders.length > 1 ? [violation("doubled", cart, `became ${names(orders)}`)] : [],
    )
  return [...ofPayments, ...ofCarts]
}

function amounts(order: Order, books: Books): Violation[] {
  const known = order.payments.flatMap(({ intent, ...payment }) => {
    const stripe = books.payment(intent)
    return stripe ? [{ ...payment, stripe }] : []
  })
  const unpaid = known.length === 0 && order.paid !== 0
  if (unpaid)
    return [violation("amounts", order.id, `shows ${order.paid} as paid, and Stripe knows no payment of it`)]
  const net = known.reduce((sum, { stripe }) => sum + stripe.captured - stripe.refunded, 0)
  const isRefunded = known.some(({ stripe }) => stripe.refunded > 0) && order.paid > net
  const shown: Violation[] =
    order.paid === net
      ? []
      : [
          violation(
            isRefunded ? "refunded" : "amounts",
            order.id,
            `shows ${order.paid} as paid, Stripe has ${net}`,
          ),
        ]
  const rows = known.flatMap(({ id, captured, refunded, stripe }) =>
    captured === stripe.captured && refunded === stripe.refunded
      ? []
      : [
          violation(
            "amounts",
            id,
            `${captured} captured and ${refunded} refunded in Medusa, ${stripe.captured} and ${stripe.refunded} in Stripe (${stripe.id})`,
          ),
        ],
  )
  return [...shown, ...rows]
}

/** What the store lets its buyers backorder is sold though it is not there, and isn't counted. */
function oversold({ item, sku, stocked, reserved }: Level, { orders }: Snapshot, books: Books): Violation[] {
  const fromStock = orders.filter((order) => !books.mayBackorder(order))
  const backordered = sumOf(orders, (order) => (books.mayBackorder(order) ? (order.reserved[item] ?? 0) : 0))
  const sold = unitsOf(fromStock, item)
  const taken = reserved - backordered
  return [
    ...(sold > stocked ? [violation("oversold", sku, `${sold} units are in orders, of ${stocked}`)] : []),
    ...(taken > stocked ? [violation("oversold", sku, `${taken} are reserved, of ${stocked}`)] : []),
  ]
}

function sums(level: Level, { orders }: Snapshot): Violation[] {
  const { item, sku, stocked, reserved, reservations, held, agree, explained } = level
  const sold = unitsOf(orders, item)
  const broken = [
    ...(reserved === reservations
      ? []
      : [`reserved_quantity is ${reserved}, its reservations are ${reservations}`]),
    ...(reservations - held === sold
      ? []
      : [`${reservations} are reserved, ${held} of them for carts, and orders have ${sold}`]),
    ...(agree ? [] : ["the raw columns differ"]),
    ...(explained.includes(stocked)
      ? []
      : [`${stocked} are stocked, which should be ${explained.join(" or ")}`]),
  ]
  return broken.map((what) => violation("stock", sku, what))
}

/** Units of an item in living orders. */
function unitsOf(orders: Order[], item: string): number {
  return sumOf(orders, ({ canceled, units }) => (canceled ? 0 : (units[item] ?? 0)))
}

function sumOf(orders: Order[], quantityOf: (order: Order) => number): number {
  return orders.reduce((sum, order) => sum + quantityOf(order), 0)
}

function reservations({ id, canceled, units, reserved }: Order): Violation[] {
  return [...new Set([...Object.keys(units), ...Object.keys(reserved)])].flatMap((item) => {
    const wanted = canceled ? 0 : (units[item] ?? 0)
    const has = reserved[item] ?? 0
    const what = `${has} units of ${item} are reserved for it, instead of ${wanted}`
    return has === wanted ? [] : [violation("stock", id, what)]
  })
}

/** Events that come after a payment is at rest are only noted: it is the payment's state that tells. */
function stuck({ rows }: Snapshot): Violation[] {
  const open = rows.filter(({ atRest }) => !atRest)
  return open.map(({ id, status, reason }) =>
    violation("stuck", id, `is ${status}${reason ? `: ${reason}` : ""}`),
  )
}

function untrue(row: PaymentRow, books: Books): Violation[] {
  if (!FOR_A_PERSON.includes(row.status) || isTrue(row, books)) return []
  return [violation("untrue", row.id, `${row.status}: ${row.reason ?? "no reason"}`)]
}

function findings({ rows, announcements }: Snapshot): Finding[] {
  const forPeople = rows.filter(({ status }) => FOR_A_PERSON.includes(status))
  const twice = Object.entries(announcements).filter(([, count]) => count > 1)
  return [
    ...forPeople.map(({ id, status, reason }) => ({
      kind: status as "review" | "disputed",
      id,
      what: reason ?? "",
    })),
    ...twice.map(([id, count]) => ({
      kind: "announced twice" as const,
      id,
      what: `order.placed was emitted ${count} times`,
    })),
  ]
}

const violation = (rule: Rule, id: string, what: string): Violation => ({ rule, id, what })
