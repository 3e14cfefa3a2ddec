import type Stripe from "stripe"
import { describe, expect, it } from "vitest"
import { moneyBack } from "../src/stripe-objects"

const charge = (more: Partial<Stripe.Charge> = {}) =>
  ({ amount: 2000, amount_captured: 1500, captured: true, ...more }) as Stripe.Charge

const refund = (id: string, amount: number, balance_transaction: string | null) =>
  ({ id, amount, balance_transaction, status: "succeeded" }) as Stripe.Refund

const ids = (refunds: Stripe.Refund[]) => refunds.map(({ id }) => id)

describe("the refunds that gave money back", () => {
  it("are without what was authorized and never captured, as Stripe had it before basil", () => {
    const all = [refund("re_back", 500, "txn_1"), refund("re_released", 500, null)]
    expect(ids(moneyBack(charge(), all))).toEqual(["re_back"])
  })

  it("are all where nothing was released by a refund", () => {
    const all = [refund("re_1", 500, "txn_1"), refund("re_2", 300, null)]
    expect(ids(moneyBack(charge(), all))).toEqual(["re_1", "re_2"])
    expect(ids(moneyBack(charge({ amount_captured: 2000 }), all))).toEqual(["re_1", "re_2"])
    expect(ids(moneyBack(null, all))).toEqual(["re_1", "re_2"])
  })
})
