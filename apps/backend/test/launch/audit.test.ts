import { expect, test } from "vitest"
import { type Evidence, judge, type Money } from "../../launch/sale/audit.ts"

const paid: Money = { id: "pi_1", status: "succeeded", currency: "usd", kept: 12500, refunds: 0 }
const canceled: Money = { id: "pi_2", status: "canceled", currency: "jpy", kept: 0, refunds: 0 }
const refunded: Money = { id: "pi_3", status: "succeeded", currency: "eur", kept: 0, refunds: 1 }
const order = { id: "order_1", intents: ["pi_1"], total: 125, hot: 1 }
const level = { sku: "LANTERN-FIRST", stocked: 1, reserved: 1, reservations: 1, agree: true }

/** A correct sale of one unit to three buyers. */
const fair: Evidence = {
  orders: [order],
  money: [paid, canceled, refunded],
  levels: [level],
  reviews: [],
  unsettled: [],
  demand: 3,
  deliveries: 4,
  stockBefore: 1,
  stockAfter: 0,
  seconds: 1,
}

const brokenIn = (change: Partial<Evidence>) =>
  judge({ ...fair, ...change })
    .rules.filter(({ held }) => !held)
    .map(({ says }) => says)

test("finds nothing in a fair sale", () => {
  expect(brokenIn({})).toEqual([])
  expect(judge(fair).figures).toMatchObject({ orders: 1, unitsSold: 1, refunded: 1, canceled: 1 })
})

test.each<[string, Partial<Evidence>, string]>([
  ["two units sold of one", { orders: [{ ...order, hot: 2 }], stockAfter: -1 }, "No unit was sold twice"],
  [
    "a unit left although there were buyers",
    { orders: [{ ...order, hot: 0 }], stockAfter: 1 },
    "No buyer was refused while there was stock",
  ],
  [
    "two orders of one payment",
    { orders: [order, { ...order, id: "order_2", hot: 0 }] },
    "No payment became two orders",
  ],
  [
    "an order without a payment",
    { orders: [order, { ...order, id: "order_2", intents: [], hot: 0 }] },
    "No payment became two orders",
  ],
  [
    "a charge without an order",
    { money: [paid, { ...refunded, kept: 1, refunds: 0 }] },
    "No money was kept without an order",
  ],
  [
    "a hold without an order",
    { money: [paid, { ...canceled, status: "requires_capture", kept: 900 }] },
    "No money was kept without an order",
  ],
  [
    "a second refund",
    { money: [paid, { ...refunded, refunds: 2 }] },
    "Unfilled payments were fully returned, once",
  ],
  [
    "a refund to a buyer who has an order",
    { money: [{ ...paid, refunds: 1 }] },
    "Unfilled payments were fully returned, once",
  ],
  [
    "an order that was never captured",
    { money: [{ ...paid, status: "requires_capture" }] },
    "Unfilled payments were fully returned, once",
  ],
  [
    "an order that costs a cent more",
    { orders: [{ ...order, total: 125.01 }] },
    "Each order costs what was paid",
  ],
  ["reserved without a reservation", { levels: [{ ...level, reservations: 0 }] }, "The stock records agree"],
  ["two columns that differ", { levels: [{ ...level, agree: false }] }, "The stock records agree"],
  [
    "stock that was taken without an order",
    { stockBefore: 3, stockAfter: 1, demand: 1 },
    "The stock records agree",
  ],
  ["a payment that is not settled", { unsettled: ["pi_2"] }, "Every payment was settled without review"],
  [
    "a payment that needs review",
    { reviews: [{ id: "pi_2", reason: null }] },
    "Every payment was settled without review",
  ],
])("sees %s", (_, change, rule) => {
  expect(brokenIn(change)).toContain(rule)
})

test("rounds as Stripe's currencies do", () => {
  const yen = { ...paid, currency: "jpy", kept: 20461 }
  expect(brokenIn({ money: [yen], orders: [{ ...order, total: 20460.5 }] })).toEqual([])
  expect(brokenIn({ money: [{ ...paid, kept: 13673 }], orders: [{ ...order, total: 136.731 }] })).toEqual([])
  expect(brokenIn({ money: [{ ...paid, kept: 2678 }], orders: [{ ...order, total: 26.775 }] })).toEqual([])
})

test("a payment that needs review is not lost", () => {
  const held = judge({
    ...fair,
    money: [paid, { ...refunded, kept: 50, refunds: 0 }],
    reviews: [{ id: "pi_3", reason: "odd" }],
  })
  expect(held.figures.lostPayments).toBe(0)
  expect(held.reasons).toEqual(["odd"])
})
