import Stripe from "stripe"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { type StripeLocal, startStripeLocal } from "../src/index.js"
import { refusal } from "./refusal.js"

let local: StripeLocal
let stripe: Stripe

beforeAll(async () => {
  local = await startStripeLocal()
  stripe = local.client()
})
afterAll(() => local.close())

const usd = { amount: 2000, currency: "usd" } as const
const paid = { ...usd, payment_method: "pm_card_visa", confirm: true } as const
const authorised = { ...paid, capture_method: "manual" } as const

function eventsOf(id: string): string[] {
  return local.events
    .filter(({ data }) => {
      const object = data.object as { id: string; payment_intent?: string }
      return object.id === id || object.payment_intent === id
    })
    .map(({ type }) => type)
}

describe("a new payment intent", () => {
  it("waits for a payment method", async () => {
    const intent = await stripe.paymentIntents.create({
      ...usd,
      currency: "USD",
      metadata: { cart_id: "cart_1" },
      receipt_email: "buyer@example.com",
      shipping: { name: "Ada", address: { line1: "1 Road", city: "Berlin", country: "DE" } },
    })
    expect(intent).toMatchObject({
      object: "payment_intent",
      amount: 2000,
      amount_capturable: 0,
      amount_received: 0,
      currency: "usd",
      status: "requires_payment_method",
      capture_method: "automatic_async",
      latest_charge: null,
      livemode: false,
      metadata: { cart_id: "cart_1" },
      receipt_email: "buyer@example.com",
      shipping: { name: "Ada", address: { line1: "1 Road", city: "Berlin", country: "DE", state: null } },
    })
    expect(intent.id).toMatch(/^pi_\w{24}$/)
    expect(intent.client_secret).toMatch(new RegExp(`^${intent.id}_secret_`))
    expect(await stripe.paymentIntents.retrieve(intent.id)).toEqual(intent)
    expect(eventsOf(intent.id)).toEqual(["payment_intent.created"])
  })

  it("that has a payment method waits for confirmation", async () => {
    const intent = await stripe.paymentIntents.create({ ...usd, payment_method: "pm_card_visa" })
    expect(intent.status).toBe("requires_confirmation")
    expect(intent.payment_method).toMatch(/^pm_\w{24}$/)
    const confirmed = await stripe.paymentIntents.confirm(intent.id)
    expect(confirmed.status).toBe("succeeded")
  })

  it.each([
    [{ currency: "usd" }, "parameter_missing", "amount"],
    [{ ...usd, amount: 0 }, "parameter_invalid_integer", "amount"],
    [{ ...usd, amount: 10.5 }, "parameter_invalid_integer", "amount"],
    [{ ...usd, currency: "xxx1" }, undefined, "currency"],
    [{ ...usd, customer: "cus_none" }, "resource_missing", "customer"],
    [{ ...usd, payment_method: "pm_none" }, "resource_missing", "payment_method"],

    [{ ...usd, on_the_house: true }, "parameter_unknown", "on_the_house"],
  ])("is refused with %o", async (params, code, param) => {
    const error = await refusal(stripe.paymentIntents.create(params as Stripe.PaymentIntentCreateParams))
    expect(error).toBeInstanceOf(Stripe.errors.StripeInvalidRequestError)
    expect(error).toMatchObject({ statusCode: 400, rawType: "invalid_request_error", param })
    expect(error.code).toBe(code)
  })
})

describe("automatic capture", () => {
  it("takes the money at confirmation", async () => {
    const { id } = await stripe.paymentIntents.create(usd)
    const intent = await stripe.paymentIntents.confirm(id, { payment_method: "pm_card_visa" })
    expect(intent).toMatchObject({ status: "succeeded", amount_received: 2000, amount_capturable: 0 })
    const charge = await stripe.charges.retrieve(String(intent.latest_charge))
    expect(charge).toMatchObject({
      amount: 2000,
      amount_captured: 2000,
      amount_refunded: 0,
      captured: true,
      paid: true,
      status: "succeeded",
      payment_intent: id,
      payment_method_details: { type: "card", card: { brand: "visa", last4: "4242" } },
    })
    expect(eventsOf(id)).toEqual(["payment_intent.created", "charge.succeeded", "payment_intent.succeeded"])
  })

  it("can't be confirmed, captured or cancelled afterwards", async () => {
    const { id } = await stripe.paymentIntents.create(paid)
    const calls = [
      stripe.paymentIntents.confirm(id, { payment_method: "pm_card_visa" }),
      stripe.paymentIntents.capture(id),
      stripe.paymentIntents.cancel(id),
      stripe.paymentIntents.update(id, { amount: 1 }),
    ]
    for (const call of calls) {
      const error = await refusal(call)
      expect(error).toMatchObject({ statusCode: 400, code: "payment_intent_unexpected_state" })
      expect(error.payment_intent).toMatchObject({ id, status: "succeeded" })
    }
  })
})

describe("manual capture", () => {
  it("authorises first and takes the money when told", async () => {
    const intent = await stripe.paymentIntents.create(authorised)
    expect(intent).toMatchObject({
      status: "requires_capture",
      amount_capturable: 2000,
      amount_received: 0,
    })
    const charge = await stripe.charges.retrieve(String(intent.latest_charge))
    expect(charge).toMatchObject({ captured: false, amount_captured: 0, paid: true })

    const captured = await stripe.paymentIntents.capture(intent.id)
    expect(captured).toMatchObject({ status: "succeeded", amount_capturable: 0, amount_received: 2000 })
    expect(eventsOf(intent.id)).toEqual([
      "payment_intent.created",
      "charge.succeeded",
      "payment_intent.amount_capturable_updated",
      "charge.captured",
      "payment_intent.succeeded",
    ])
  })

  it("takes a part and releases the rest", async () => {
    const { id } = await stripe.paymentIntents.create(authorised)
    const intent = await stripe.paymentIntents.capture(id, {
      amount_to_capture: 1500,
      expand: ["latest_charge"],
    })
    expect(intent).toMatchObject({
      status: "succeeded",
      amount: 2000,
      amount_received: 1500,
      amount_capturable: 0,
    })
    expect(intent.latest_charge).toMatchObject({
      amount: 2000,
      amount_captured: 1500,
      amount_refunded: 0,
      captured: true,
      refunded: false,
    })
    const error = await refusal(stripe.refunds.create({ payment_intent: id, amount: 1501 }))
    expect(error.message).toContain("greater than charge amount")
  })

  it("takes no more than was authorised", async () => {
    const { id } = await stripe.paymentIntents.create(authorised)
    const error = await refusal(stripe.paymentIntents.capture(id, { amount_to_capture: 2001 }))
    expect(error).toMatchObject({ statusCode: 400, code: "amount_too_large", param: "amount_to_capture" })
  })

  it("ends without money when it is cancelled, once", async () => {
    const { id } = await stripe.paymentIntents.create(authorised)
    const intent = await stripe.paymentIntents.cancel(id, { cancellation_reason: "abandoned" })
    expect(intent).toMatchObject({
      status: "canceled",
      cancellation_reason: "abandoned",
      amount_capturable: 0,
      amount_received: 0,
    })
    expect(intent.canceled_at).toBeTypeOf("number")
    expect(eventsOf(id).slice(3)).toEqual(["payment_intent.canceled"])
    for (const call of [stripe.paymentIntents.cancel(id), stripe.paymentIntents.capture(id)]) {
      const error = await refusal(call)
      expect(error).toMatchObject({ code: "payment_intent_unexpected_state" })
      expect(error.payment_intent?.status).toBe("canceled")
    }
  })
})

describe("a declined card", () => {
  it("leaves the payment intent open for another one", async () => {
    const { id } = await stripe.paymentIntents.create(usd)
    const error = await refusal(
      stripe.paymentIntents.confirm(id, { payment_method: "pm_card_chargeDeclinedInsufficientFunds" }),
    )
    expect(error).toBeInstanceOf(Stripe.errors.StripeCardError)
    expect(error).toMatchObject({
      statusCode: 402,
      rawType: "card_error",
      code: "card_declined",
      decline_code: "insufficient_funds",
      payment_intent: { id, status: "requires_payment_method" },
    })
    expect(error.charge).toMatch(/^ch_/)
    const intent = await stripe.paymentIntents.retrieve(id)
    expect(intent).toMatchObject({
      status: "requires_payment_method",
      payment_method: null,
      latest_charge: error.charge,
      last_payment_error: { code: "card_declined", decline_code: "insufficient_funds" },
    })
    expect(await stripe.charges.retrieve(String(error.charge))).toMatchObject({
      status: "failed",
      paid: false,
      failure_code: "card_declined",
    })
    const second = await stripe.paymentIntents.confirm(id, { payment_method: "pm_card_mastercard" })
    expect(second).toMatchObject({ status: "succeeded", last_payment_error: null })
    expect(eventsOf(id)).toEqual([
      "payment_intent.created",
      "charge.failed",
      "payment_intent.payment_failed",
      "charge.succeeded",
      "payment_intent.succeeded",
    ])
  })

  it.each([
    ["pm_card_chargeDeclined", "card_declined", "generic_decline"],
    ["pm_card_visa_chargeDeclinedLostCard", "card_declined", "lost_card"],
    ["pm_card_chargeDeclinedExpiredCard", "expired_card", undefined],
    ["pm_card_chargeDeclinedProcessingError", "processing_error", undefined],
  ])("%s fails at creation too", async (payment_method, code, decline_code) => {
    const error = await refusal(stripe.paymentIntents.create({ ...paid, payment_method }))
    expect(error).toMatchObject({ statusCode: 402, code })
    expect(error.decline_code || undefined).toBe(decline_code)
  })
})

describe("metadata", () => {
  it("has Stripe's limit of 500 characters", async () => {
    const error = await refusal(
      stripe.paymentIntents.create({ ...usd, metadata: { items: "x".repeat(501) } }),
    )
    expect(error).toMatchObject({ statusCode: 400, param: "metadata[items]" })
  })

  it("is merged, and an empty value removes its key", async () => {
    const { id } = await stripe.paymentIntents.create({ ...usd, metadata: { a: "1", b: "2" } })
    const merged = await stripe.paymentIntents.update(id, { metadata: { b: "", c: "3" } })
    expect(merged.metadata).toEqual({ a: "1", c: "3" })
    const cleared = await stripe.paymentIntents.update(id, { metadata: "" })
    expect(cleared.metadata).toEqual({})
  })

  it("of any depth of brackets and any letters comes through", async () => {
    const metadata = { items: '[{"variant":"v[1]","quantity":2}]', "käufer&=": "a+b c%20 ✓" }
    const intent = await stripe.paymentIntents.create({ ...usd, metadata })
    expect(intent.metadata).toEqual(metadata)
  })
})

describe("expand", () => {
  it("puts objects in the place of their ids, also in lists", async () => {
    const customer = await stripe.customers.create({ email: "buyer@example.com" })
    const intent = await stripe.paymentIntents.create({ ...paid, customer: customer.id })
    const expanded = await stripe.paymentIntents.retrieve(intent.id, {
      expand: ["latest_charge.customer", "payment_method"],
    })
    expect(expanded.latest_charge).toMatchObject({
      object: "charge",
      customer: { id: customer.id, email: "buyer@example.com" },
    })
    expect(expanded.payment_method).toMatchObject({ object: "payment_method", card: { brand: "visa" } })
    const list = await stripe.paymentIntents.list({ customer: customer.id, expand: ["data.latest_charge"] })
    expect(list.data[0]?.latest_charge).toMatchObject({ object: "charge" })
    expect((await stripe.paymentIntents.retrieve(intent.id)).latest_charge).toBeTypeOf("string")
  })

  it("of nothing stays nothing", async () => {
    const { id } = await stripe.paymentIntents.create(usd)
    const intent = await stripe.paymentIntents.retrieve(id, { expand: ["latest_charge.customer"] })
    expect(intent.latest_charge).toBeNull()
  })

  it("of a property that never holds an object is refused", async () => {
    const { id } = await stripe.paymentIntents.create(usd)
    const error = await refusal(stripe.paymentIntents.retrieve(id, { expand: ["nonsense"] }))
    expect(error.message).toBe("This property cannot be expanded (nonsense).")
  })
})

describe("the list", () => {
  it("goes through all, newest first", async () => {
    const made: string[] = []
    for (let n = 0; n < 12; n += 1) made.push((await stripe.paymentIntents.create(usd)).id)
    const first = await stripe.paymentIntents.list({ limit: 5 })
    expect(first.has_more).toBe(true)
    expect(first.data.map(({ id }) => id)).toEqual(made.slice(7).reverse())
    const all = await stripe.paymentIntents.list({ limit: 5 }).autoPagingToArray({ limit: 12 })
    expect(all.map(({ id }) => id)).toEqual([...made].reverse())
  })

  it("is narrowed by customer and by time", async () => {
    const customer = await stripe.customers.create()
    const { id, created } = await stripe.paymentIntents.create({ ...usd, customer: customer.id })
    const of = async (created: Stripe.RangeQueryParam) =>
      (await stripe.paymentIntents.list({ customer: customer.id, created })).data.map(({ id }) => id)
    expect(await of({ gte: created, lte: created })).toEqual([id])
    expect(await of({ gt: created })).toEqual([])
    expect(await of({ lt: created })).toEqual([])
  })
})

describe("3-D Secure", () => {
  const secured = { ...authorised, payment_method: "pm_card_authenticationRequired" } as const

  it("waits for the buyer, who passes", async () => {
    const intent = await stripe.paymentIntents.create(secured)
    expect(intent).toMatchObject({ status: "requires_action", next_action: { type: "redirect_to_url" } })
    expect(local.buyer.authenticate(intent.id)).toMatchObject({
      status: "requires_capture",
      next_action: null,
    })
    expect(eventsOf(intent.id)).toEqual([
      "payment_intent.created",
      "payment_intent.requires_action",
      "charge.succeeded",
      "payment_intent.amount_capturable_updated",
    ])
  })

  it("that the buyer fails leaves the payment intent open", async () => {
    const { id } = await stripe.paymentIntents.create(secured)
    local.buyer.authenticate(id, "failed")
    expect(await stripe.paymentIntents.retrieve(id)).toMatchObject({
      status: "requires_payment_method",
      last_payment_error: { code: "payment_intent_authentication_failure" },
    })
    expect(eventsOf(id).at(-1)).toBe("payment_intent.payment_failed")
  })
})

it("keeps a thousand apart", async () => {
  const { id } = await stripe.paymentIntents.create(authorised)
  const intents: Stripe.PaymentIntent[] = []
  for (let n = 0; n < 10; n += 1) {
    intents.push(...(await Promise.all(Array.from({ length: 100 }, () => stripe.paymentIntents.create(usd)))))
  }
  expect(new Set(intents.map((intent) => intent.id)).size).toBe(1000)
  expect(await stripe.paymentIntents.capture(id)).toMatchObject({ status: "succeeded" })
})
