import Stripe from "stripe"
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

describe("a customer", () => {
  it("is made, changed, found and deleted", async () => {
    const { id } = await stripe.customers.create({
      email: "ada@example.com",
      name: "Ada",
      address: { line1: "1 Road", country: "GB" },
      metadata: { medusa: "cus_1" },
    })
    await stripe.customers.update(id, { phone: "123", name: "" })
    expect(await stripe.customers.retrieve(id)).toMatchObject({
      object: "customer",
      email: "ada@example.com",
      name: null,
      phone: "123",
      address: { line1: "1 Road", line2: null, country: "GB" },
      metadata: { medusa: "cus_1" },
    })
    await stripe.customers.create({ email: "bob@example.com" })
    const found = await stripe.customers.list({ email: "ada@example.com" })
    expect(found.data.map((customer) => customer.id)).toEqual([id])

    expect(await stripe.customers.del(id)).toMatchObject({ id, deleted: true })
    expect(await stripe.customers.retrieve(id)).toEqual({ id, object: "customer", deleted: true })
    expect((await stripe.customers.list()).data).toHaveLength(1)
    expect(await refusal(stripe.customers.update(id, { name: "Ada" }))).toMatchObject({ statusCode: 404 })
    const pay = stripe.paymentIntents.create({ amount: 100, currency: "usd", customer: id })
    expect(await refusal(pay)).toMatchObject({ statusCode: 400, param: "customer" })
  })
})

describe("a payment method", () => {
  it("is kept for a customer who pays with it again", async () => {
    const customer = await stripe.customers.create({ email: "ada@example.com" })
    const intent = await stripe.paymentIntents.create({
      amount: 2000,
      currency: "usd",
      customer: customer.id,
      payment_method: "pm_card_visa",
      setup_future_usage: "off_session",
      confirm: true,
    })
    const saved = await stripe.customers.listPaymentMethods(customer.id)
    expect(saved.data.map(({ id }) => id)).toEqual([intent.payment_method])
    const again = await stripe.paymentIntents.create({
      amount: 3000,
      currency: "usd",
      customer: customer.id,
      payment_method: String(intent.payment_method),
      off_session: true,
      confirm: true,
    })
    expect(again.status).toBe("succeeded")
    await stripe.paymentMethods.detach(String(intent.payment_method))
    expect((await stripe.paymentMethods.list({ customer: customer.id, type: "card" })).data).toEqual([])
  })

  it("is made of a test token, and attached", async () => {
    const customer = await stripe.customers.create()
    const made = await stripe.paymentMethods.create({
      type: "card",
      card: { token: "tok_mastercard" },
      billing_details: { name: "Ada" },
    })
    const attached = await stripe.paymentMethods.attach(made.id, { customer: customer.id })
    expect(attached).toMatchObject({
      customer: customer.id,
      card: { brand: "mastercard", last4: "4444" },
      billing_details: { name: "Ada", email: null },
    })
    expect(await stripe.paymentMethods.retrieve(made.id)).toEqual(attached)
    expect(
      await refusal(stripe.paymentMethods.create({ type: "card", card: { token: "tok_x" } })),
    ).toMatchObject({
      statusCode: 400,
      code: "resource_missing",
    })
  })
})

describe("a setup intent", () => {
  it("saves a payment method without taking money", async () => {
    const customer = await stripe.customers.create()
    const { id } = await stripe.setupIntents.create({ customer: customer.id })
    const intent = await stripe.setupIntents.confirm(id, { payment_method: "pm_card_visa" })
    expect(intent).toMatchObject({ status: "succeeded", customer: customer.id })
    expect(await stripe.setupIntents.retrieve(id)).toEqual(intent)
    const saved = await stripe.customers.listPaymentMethods(customer.id)
    expect(saved.data.map((method) => method.id)).toEqual([intent.payment_method])
    expect((await stripe.charges.list()).data).toEqual([])
    expect(await refusal(stripe.setupIntents.confirm(id))).toMatchObject({
      code: "setup_intent_unexpected_state",
    })
  })

  it("is declined with the card", async () => {
    const error = await refusal(
      stripe.setupIntents.create({ payment_method: "pm_card_chargeDeclined", confirm: true }),
    )
    expect(error).toBeInstanceOf(Stripe.errors.StripeCardError)
    expect(error.setup_intent).toMatchObject({ status: "requires_payment_method" })
  })
})
