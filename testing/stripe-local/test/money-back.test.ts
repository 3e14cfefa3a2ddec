import type Stripe from "stripe"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { type StripeLocal, startStripeLocal } from "../src/index.js"
import { refusal } from "./refusal.js"

let local: StripeLocal
let stripe: Stripe

beforeEach(async () => {
  local = await startStripeLocal()
  stripe = local.client()
})
afterEach(() => local.close())

const card = { payment_method: "pm_card_visa", confirm: true }
const pay = (more: object = {}) =>
  stripe.paymentIntents.create({ amount: 2000, currency: "usd", ...card, ...more })
const types = () => local.events.map(({ type }) => type)

describe("a refund", () => {
  it("of the whole payment", async () => {
    const { id } = await pay()
    const refund = await stripe.refunds.create({
      payment_intent: id,
      reason: "requested_by_customer",
      metadata: { order: "1" },
    })
    expect(refund).toMatchObject({
      object: "refund",
      amount: 2000,
      currency: "usd",
      status: "succeeded",
      reason: "requested_by_customer",
      metadata: { order: "1" },
      payment_intent: id,
    })
    const charge = await stripe.charges.retrieve(String(refund.charge), { expand: ["refunds"] })
    expect(charge).toMatchObject({ amount_refunded: 2000, refunded: true, amount_captured: 2000 })
    expect(charge.refunds?.data).toEqual([refund])
    expect(await stripe.refunds.retrieve(refund.id)).toEqual(refund)
    expect((await stripe.refunds.list({ payment_intent: id })).data).toEqual([refund])
    expect((await stripe.paymentIntents.retrieve(id)).status).toBe("succeeded")
    expect(types().slice(-2)).toEqual(["refund.created", "charge.refunded"])
  })

  it("of parts, until nothing is left", async () => {
    const { id, latest_charge } = await pay()
    const first = await stripe.refunds.create({ charge: String(latest_charge), amount: 500 })
    const charge = await stripe.charges.retrieve(String(latest_charge))
    expect(charge).toMatchObject({ amount_refunded: 500, refunded: false })

    const tooMuch = await refusal(stripe.refunds.create({ payment_intent: id, amount: 1501 }))
    expect(tooMuch).toMatchObject({ statusCode: 400, rawType: "invalid_request_error", param: "amount" })
    expect(tooMuch.message).toBe(
      "Refund amount ($15.01) is greater than unrefunded amount on charge ($15.00)",
    )
    const rest = await stripe.refunds.create({ payment_intent: id })
    expect(rest.amount).toBe(1500)
    expect((await stripe.refunds.list({ charge: charge.id })).data.map(({ id }) => id)).toEqual([
      rest.id,
      first.id,
    ])
    const nothingLeft = await refusal(stripe.refunds.create({ payment_intent: id }))
    expect(nothingLeft).toMatchObject({ statusCode: 400, code: "charge_already_refunded" })
  })

  it("of more than was paid names both amounts in the currency's own units", async () => {
    const { id } = await pay({ currency: "jpy" })
    const error = await refusal(stripe.refunds.create({ payment_intent: id, amount: 2001 }))
    expect(error.message).toBe("Refund amount (¥2,001) is greater than charge amount (¥2,000)")
  })

  it.each([
    ["was only authorised", { capture_method: "manual" }],
    ["waits for a card", { confirm: false }],
  ])("of a payment that %s is refused", async (_, params) => {
    const { id } = await pay(params)
    const error = await refusal(stripe.refunds.create({ payment_intent: id }))
    expect(error.message).toBe(`This PaymentIntent (${id}) does not have a successful charge to refund.`)
  })

  it("of nothing known is refused", async () => {
    expect(await refusal(stripe.refunds.create({}))).toMatchObject({ statusCode: 400 })
    expect(await refusal(stripe.refunds.create({ payment_intent: "pi_none" }))).toMatchObject({
      statusCode: 400,
      code: "resource_missing",
      param: "payment_intent",
    })
    expect(await refusal(stripe.refunds.retrieve("re_none"))).toMatchObject({ statusCode: 404 })
  })

  it("is made once for one idempotency key", async () => {
    const { id } = await pay()
    const refund = () =>
      stripe.refunds.create({ payment_intent: id, amount: 700 }, { idempotencyKey: "refund_1" })
    const made = await Promise.all([refund(), refund().catch(() => undefined)])
    expect(made[0]?.amount).toBe(700)
    expect((await stripe.refunds.list({ payment_intent: id })).data).toHaveLength(1)
  })
})

describe("a dispute", () => {
  it("comes from the buyer's bank and bars refunds", async () => {
    const { id, latest_charge } = await pay()
    const dispute = local.buyer.dispute(id, { reason: "product_not_received" })
    expect(await stripe.disputes.retrieve(dispute.id)).toMatchObject({
      amount: 2000,
      reason: "product_not_received",
      status: "needs_response",
      charge: latest_charge,
      payment_intent: id,
    })
    expect((await stripe.charges.retrieve(String(latest_charge))).disputed).toBe(true)
    expect(await refusal(stripe.refunds.create({ payment_intent: id }))).toMatchObject({
      code: "charge_disputed",
    })
    local.bank.closeDispute(dispute.id, "won")
    expect((await stripe.disputes.list({ payment_intent: id })).data[0]?.status).toBe("won")
    expect(types().slice(-4)).toEqual([
      "charge.dispute.created",
      "charge.dispute.funds_withdrawn",
      "charge.dispute.closed",
      "charge.dispute.funds_reinstated",
    ])
  })

  it("follows by itself on a card made for it", async () => {
    const { id } = await pay({ payment_method: "pm_card_createDispute" })
    expect((await stripe.disputes.list({ payment_intent: id })).data).toHaveLength(1)
  })
})
