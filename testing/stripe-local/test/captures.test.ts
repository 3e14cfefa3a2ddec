import type Stripe from "stripe"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { type StripeLocal, startStripeLocal } from "../src/index.js"
import { refusal } from "./refusal.js"

let local: StripeLocal
let stripe: Stripe
let id: string

beforeEach(async () => {
  local = await startStripeLocal()
  stripe = local.client()
  id = (await authorise()).id
})
afterEach(() => local.close())

function authorise(more: object = {}) {
  return stripe.paymentIntents.create({
    amount: 2000,
    currency: "usd",
    payment_method: "pm_card_visa",
    confirm: true,
    capture_method: "manual",
    ...more,
  })
}

async function chargeOf(id: string): Promise<Stripe.Charge> {
  const intent = await stripe.paymentIntents.retrieve(id, { expand: ["latest_charge"] })
  return intent.latest_charge as Stripe.Charge
}

const typesSince = (count: number) => local.events.slice(count).map(({ type }) => type)

describe("a partial capture", () => {
  it("releases the rest, which is no refund", async () => {
    const intent = await stripe.paymentIntents.capture(id, { amount_to_capture: 1500, final_capture: true })
    expect(intent).toMatchObject({ status: "succeeded", amount_received: 1500, amount_capturable: 0 })
    expect(await chargeOf(id)).toMatchObject({ amount: 2000, amount_captured: 1500, amount_refunded: 0 })
    expect((await stripe.refunds.list({ payment_intent: id })).data).toEqual([])
    expect(typesSince(3)).toEqual(["charge.captured", "payment_intent.succeeded"])
    const captured = local.events.find(({ type }) => type === "charge.captured")
    expect(captured?.data.object).toMatchObject({ amount_captured: 1500, amount_refunded: 0 })
  })

  it("of a card that is captured once can't leave the rest for later", async () => {
    const call = stripe.paymentIntents.capture(id, { amount_to_capture: 1500, final_capture: false })
    expect(await refusal(call)).toMatchObject({ statusCode: 400, param: "final_capture" })
    expect(await stripe.paymentIntents.retrieve(id)).toMatchObject({ status: "requires_capture" })
  })
})

describe("a card that may be captured several times", () => {
  beforeEach(async () => {
    const card = { request_multicapture: "if_available" }
    id = (await authorise({ payment_method_options: { card } })).id
  })

  const capture = (amount_to_capture: number, final_capture = false) =>
    stripe.paymentIntents.capture(id, { amount_to_capture, final_capture })

  it("keeps the rest until the last capture", async () => {
    const events = local.events.length
    expect((await chargeOf(id)).payment_method_details?.card?.multicapture?.status).toBe("available")
    expect(await capture(500)).toMatchObject({
      status: "requires_capture",
      amount_capturable: 1500,
      amount_received: 500,
    })
    expect(await refusal(capture(1501))).toMatchObject({ code: "amount_too_large" })
    expect(await capture(700)).toMatchObject({ amount_capturable: 800, amount_received: 1200 })
    expect(await capture(100, true)).toMatchObject({ status: "succeeded", amount_received: 1300 })
    expect(await chargeOf(id)).toMatchObject({ amount_captured: 1300, amount_refunded: 0 })
    const once = ["charge.captured", "payment_intent.amount_capturable_updated"]
    expect(typesSince(events)).toEqual([...once, ...once, "charge.captured", "payment_intent.succeeded"])
  })

  it("is done when all has been captured", async () => {
    await capture(500)
    expect(await capture(1500)).toMatchObject({ status: "succeeded", amount_received: 2000 })
    expect((await chargeOf(id)).amount_refunded).toBe(0)
  })

  it("keeps what was captured when the authorisation expires", async () => {
    await capture(500)
    expect(local.bank.expireAuthorization(id)).toMatchObject({ status: "succeeded", amount_received: 500 })
    expect(await chargeOf(id)).toMatchObject({ amount_captured: 500, amount_refunded: 0 })
  })
})

describe("an authorisation", () => {
  it("says until when it can be captured", async () => {
    const { created, payment_method_details } = await chargeOf(id)
    const week = 7 * 24 * 60 * 60
    expect(payment_method_details?.card?.capture_before).toBeGreaterThanOrEqual(created + week)
  })

  it("expires and can't be captured any more", async () => {
    const intent = local.bank.expireAuthorization(id)
    expect(intent).toMatchObject({
      status: "canceled",
      cancellation_reason: "expired",
      amount_capturable: 0,
      amount_received: 0,
    })
    expect(intent.canceled_at).toBeTypeOf("number")
    expect(await chargeOf(id)).toMatchObject({
      captured: false,
      amount_captured: 0,
      amount_refunded: 0,
      refunded: false,
      status: "succeeded",
    })
    expect((await stripe.refunds.list({ payment_intent: id })).data).toEqual([])
    expect(typesSince(3)).toEqual(["payment_intent.canceled", "charge.expired"])
    expect(await refusal(stripe.paymentIntents.capture(id))).toMatchObject({
      code: "payment_intent_unexpected_state",
      message: expect.stringContaining("has a status of canceled"),
    })
  })

  it("that was captured doesn't expire", async () => {
    await stripe.paymentIntents.capture(id)
    expect(() => local.bank.expireAuthorization(id)).toThrow("no authorisation that could expire")
  })
})

describe("what an account of an API version before basil releases", () => {
  beforeEach(async () => {
    await local.close()
    local = await startStripeLocal({ apiVersion: "2024-06-20" })
    stripe = local.client()
    id = (await authorise()).id
  })

  const refunds = async () => (await stripe.refunds.list({ payment_intent: id })).data

  it("is a refund of the charge, where a part was captured", async () => {
    await stripe.paymentIntents.capture(id, { amount_to_capture: 1500 })
    expect(await chargeOf(id)).toMatchObject({ amount_captured: 1500, amount_refunded: 500 })
    expect((await refunds()).map(({ amount }) => amount)).toEqual([500])
    const error = await refusal(stripe.refunds.create({ payment_intent: id, amount: 1501 }))
    expect(error.message).toContain("greater than unrefunded amount")
  })

  it("is a refund, where the authorisation is cancelled or expires", async () => {
    await stripe.paymentIntents.cancel(id)
    expect(typesSince(3)).toEqual(["payment_intent.canceled", "charge.refunded"])
    expect((await refunds())[0]?.destination_details?.card?.type).toBe("reversal")
    id = (await authorise()).id
    expect(local.bank.expireAuthorization(id)).toMatchObject({ cancellation_reason: "automatic" })
    expect((await refunds())[0]).toMatchObject({ reason: "expired_uncaptured_charge", status: "succeeded" })
  })
})
