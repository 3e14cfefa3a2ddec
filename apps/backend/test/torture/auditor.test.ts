import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { audit, RULES, type Rule } from "../../torture/audit/rules.ts"
import type { Level, Order, PaymentRow, Snapshot, StripePayment } from "../../torture/audit/snapshot.ts"

const ITEM = "iitem_1"

type Fate =
  | "ordered"
  | "backordered"
  | "refunded"
  | "canceled"
  | "partly refunded"
  | "order canceled"
  | "disputed"
  | "lost dispute"
  | "sold out, in review"

/** What a payment leaves in Stripe, in the plugin's row and in Medusa when all is well. */
function sale(id: number, fate: Fate, amount: number, units: number) {
  const hasOrder = !["refunded", "canceled", "sold out, in review"].includes(fate)
  const captured = fate === "canceled" ? 0 : amount
  const refunded = { refunded: amount, "order canceled": amount, "partly refunded": 1 }[fate as string] ?? 0
  const payment: StripePayment = {
    id: `pi_${id}`,
    status: fate === "canceled" ? "canceled" : "succeeded",
    amount,
    captured,
    refunded,
    held: 0,
    disputes: fate === "disputed" ? ["needs_response"] : fate === "lost dispute" ? ["lost"] : [],
    outOfStock: { "sold out, in review": "review", backordered: "backorder" }[fate as string] ?? null,
  }
  const row: PaymentRow = {
    id: payment.id,
    status: statusOf(fate),
    reason: reasonOf(fate),
    orderId: hasOrder ? `order_${id}` : null,
    atRest: true,
  }
  const order: Order = {
    id: `order_${id}`,
    canceled: fate === "order canceled",
    cartIds: [`cart_${id}`],
    paid: captured - refunded,
    payments: [{ id: `pay_${id}`, intent: payment.id, captured, refunded }],
    units: { [ITEM]: units },
    reserved: fate === "order canceled" ? {} : { [ITEM]: units },
  }
  return { payment, row, orders: hasOrder ? [order] : [] }
}

function statusOf(fate: Fate): string {
  if (fate === "refunded" || fate === "canceled" || fate === "disputed") return fate
  return fate === "lost dispute" || fate === "sold out, in review" ? "review" : "completed"
}

function reasonOf(fate: Fate): string | null {
  if (fate === "disputed") return "the buyer disputes 1.00 USD of order order_1 (fraudulent): …"
  if (fate === "sold out, in review") return "out of stock: 1 of Mug wanted, 0 available"
  return fate === "lost dispute" ? "the dispute du_1 is lost: the bank gave the buyer 1.00 USD back" : null
}

/** Nothing is left of the stock, and what was backordered was never there. */
function shopOf(sales: ReturnType<typeof sale>[]): Snapshot {
  const orders = sales.flatMap((one) => one.orders)
  const unitsIn = (some: Order[]) =>
    some.reduce((sum, { canceled, units }) => sum + (canceled ? 0 : (units[ITEM] ?? 0)), 0)
  const sold = unitsIn(orders)
  const backordered = sales.filter(({ payment }) => payment.outOfStock === "backorder")
  const stocked = sold - unitsIn(backordered.flatMap((one) => one.orders))
  const level = {
    item: ITEM,
    sku: "MUG",
    stocked,
    reserved: sold,
    reservations: sold,
    held: 0,
    agree: true,
  }
  return {
    payments: sales.map(({ payment }) => payment),
    rows: sales.map(({ row }) => row),
    orders,
    levels: [{ ...level, explained: [stocked] }],
    announcements: Object.fromEntries(orders.map(({ id }) => [id, 1])),
  }
}

/** Two orders, money that went back, and an order that was canceled. */
const fair = shopOf([
  sale(1, "ordered", 100, 2),
  sale(2, "refunded", 200, 1),
  sale(3, "canceled", 300, 1),
  sale(4, "order canceled", 400, 1),
  sale(5, "partly refunded", 500, 1),
])

const brokenIn = (snapshot: Snapshot) => [...new Set(audit(snapshot).violations.map(({ rule }) => rule))]

const fates = fc.constantFrom<Fate>(
  "ordered",
  "backordered",
  "refunded",
  "canceled",
  "partly refunded",
  "order canceled",
  "disputed",
  "lost dispute",
  "sold out, in review",
)
const sales = fc
  .array(fc.tuple(fates, fc.integer({ min: 2, max: 10_000 }), fc.integer({ min: 1, max: 5 })), {
    minLength: 1,
    maxLength: 12,
  })
  .map((list) => list.map(([fate, amount, units], id) => sale(id, fate, amount, units)))

it("finds nothing in a correct shop, for every outcome of its payments", () => {
  fc.assert(
    fc.property(sales, (all) => {
      expect(audit(shopOf(all)).violations).toEqual([])
    }),
  )
})

it("reports disputes, reviews and second announcements, which break no rule", () => {
  const shop = shopOf([sale(1, "disputed", 100, 1), sale(2, "lost dispute", 100, 1)])
  const { findings, violations } = audit({ ...shop, announcements: { order_1: 2, order_2: 1 } })
  expect(findings.map(({ kind, id }) => [kind, id])).toEqual([
    ["disputed", "pi_1"],
    ["review", "pi_2"],
    ["announced twice", "order_1"],
  ])
  expect(violations).toEqual([])
})

/** Changes the entry of this id in one of the snapshot's lists. */
const change = <Key extends "payments" | "rows" | "orders">(
  key: Key,
  id: string,
  to: Partial<Snapshot[Key][number]>,
) => ({
  ...fair,
  [key]: fair[key].map((entry) => (entry.id === id ? { ...entry, ...to } : entry)),
})
const without = (key: "rows" | "orders", id: string): Snapshot => ({
  ...fair,
  [key]: (fair[key] as { id: string }[]).filter((entry) => entry.id !== id),
})
const withLevel = (to: Partial<Level>): Snapshot => ({
  ...fair,
  levels: fair.levels.map((level) => ({ ...level, ...to })),
})
const [first] = fair.orders as [Order]

const BROKEN: [string, Snapshot, Rule[]][] = [
  ["a paid payment without a row", without("rows", "pi_2"), ["lost"]],
  ["a paid payment whose order is gone", without("orders", "order_1"), ["lost", "kept", "stock"]],
  [
    "a second order of a payment",
    {
      ...fair,
      orders: [...fair.orders, { ...first, id: "order_9", cartIds: [], units: {}, reserved: {} }],
    },
    ["doubled"],
  ],
  [
    "a second order of a payment that only the row remembers",
    change("rows", "pi_1", { orderId: "order_5" }),
    ["doubled"],
  ],
  ["a second order of a cart", change("orders", "order_5", { cartIds: ["cart_1"] }), ["doubled"]],
  ["more units in orders than in stock", withLevel({ stocked: 2, explained: [2] }), ["oversold"]],
  [
    "more units in orders than in stock, beside what may be backordered",
    editOf([sale(1, "ordered", 100, 2), sale(2, "backordered", 100, 1)], 1, ({ payment }) =>
      Object.assign(payment, { outOfStock: "partial" }),
    ),
    ["oversold"],
  ],
  ["more units reserved than in stock", withLevel({ reserved: 4 }), ["oversold", "stock"]],
  ["a charge that is kept, said to be refunded", change("payments", "pi_2", { refunded: 0 }), ["kept"]],
  ["an authorization that is held, said to be canceled", change("payments", "pi_3", { held: 300 }), ["kept"]],
  [
    "money kept for a canceled order",
    change("orders", "order_1", { canceled: true, reserved: {} }),
    ["kept", "stock"],
  ],
  [
    "an order that shows refunded money as paid",
    change("payments", "pi_1", { refunded: 100 }),
    ["refunded", "amounts"],
  ],
  [
    "an order that does not show a part that was refunded",
    change("payments", "pi_1", { refunded: 1 }),
    ["refunded", "amounts"],
  ],
  ["an order that shows more than was captured", change("orders", "order_1", { paid: 101 }), ["amounts"]],
  ["an order that shows less than was captured", change("orders", "order_1", { paid: 99 }), ["amounts"]],
  [
    "a payment with two captures",
    change("orders", "order_1", {
      payments: [{ id: "pay_1", intent: "pi_1", captured: 200, refunded: 0 }],
    }),
    ["amounts"],
  ],
  [
    "an order paid by what Stripe doesn't know",
    change("orders", "order_1", { payments: [], cartIds: [] }),
    ["amounts"],
  ],
  ["a payment that is not at rest", change("rows", "pi_1", { status: "ordered", atRest: false }), ["stuck"]],
  ["a reserved quantity without its reservation", withLevel({ reserved: 2 }), ["stock"]],
  [
    "a reservation without an order",
    withLevel({ reserved: 4, reservations: 4, stocked: 4, explained: [4] }),
    ["stock"],
  ],
  ["an order without its reservation", change("orders", "order_1", { reserved: {} }), ["stock"]],
  [
    "a canceled order that still reserves",
    change("orders", "order_4", { reserved: { [ITEM]: 1 } }),
    ["stock"],
  ],
  ["raw columns that differ", withLevel({ agree: false }), ["stock"]],
  ["stock that changed without an edit", withLevel({ stocked: 9 }), ["stock"]],
  [
    "a review of no known kind",
    change("rows", "pi_1", { status: "review", reason: "gave up after 20 attempts: …" }),
    ["untrue"],
  ],
  [
    "a review of an order that is sold out, for which the store has no such rule",
    change("rows", "pi_1", { status: "review", reason: "out of stock: 1 of Mug wanted, 0 available" }),
    ["untrue"],
  ],
  [
    "a dispute that Stripe does not know",
    change("rows", "pi_1", { status: "disputed", reason: "the buyer disputes 1.00 USD" }),
    ["untrue"],
  ],
  [
    "a review of a cart that was ordered once",
    change("rows", "pi_1", {
      status: "review",
      reason: "cart cart_9 became order order_5 with another payment: …",
    }),
    ["untrue"],
  ],
]

describe("the auditor finds", () => {
  it.each(BROKEN)("%s", (_, snapshot, rules) => {
    expect(brokenIn(snapshot).sort()).toEqual([...rules].sort())
  })

  it("each of its rules broken by one of these", () => {
    const seen = new Set(BROKEN.flatMap(([, , rules]) => rules))
    expect([...seen].sort()).toEqual(Object.keys(RULES).sort())
  })

  it("any one change of an amount, a quantity or a state", () => {
    const breaks = fc.constantFrom<(all: ReturnType<typeof sale>[], at: number) => Snapshot>(
      (all, at) =>
        editOf(all, at, ({ payment }) => Object.assign(payment, { captured: payment.captured + 1 })),
      (all, at) => editOf(all, at, ({ row }) => Object.assign(row, { atRest: false })),
      (all, at) =>
        editOf(all, at, ({ orders: [order] }) => order && Object.assign(order, { paid: order.paid + 1 })),
      (all, at) =>
        editOf(all, at, ({ orders: [order] }) => order && Object.assign(order.reserved, { [ITEM]: 9 })),
    )
    const anyShop = fc.array(fc.tuple(fc.integer({ min: 2, max: 999 }), fc.integer({ min: 1, max: 3 })), {
      minLength: 1,
      maxLength: 6,
    })
    fc.assert(
      fc.property(anyShop, breaks, fc.nat(), (list, broken, at) => {
        const all = list.map(([amount, units], id) => sale(id, "ordered", amount, units))
        expect(audit(broken(all, at % all.length)).violations.length).toBeGreaterThan(0)
      }),
    )
  })
})

function editOf(
  all: ReturnType<typeof sale>[],
  at: number,
  edit: (one: ReturnType<typeof sale>) => unknown,
): Snapshot {
  const snapshot = shopOf(all)
  edit(all[at] as ReturnType<typeof sale>)
  return snapshot
}
