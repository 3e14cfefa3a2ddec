import type Stripe from "stripe"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { ApiError, type StripeLocal, startStripeLocal } from "../src/index.js"
import { refusal } from "./refusal.js"

let local: StripeLocal
let stripe: Stripe

beforeEach(async () => {
  local = await startStripeLocal()
  stripe = local.client()
})
afterEach(() => local.close())

const line = (name: string, unit_amount: number, quantity: number) => ({
  price_data: {
    currency: "eur",
    unit_amount,
    product_data: { name, metadata: { variant_id: `variant_${name}` } },
  },
  quantity,
})

const dollars = { ...line("hat", 900, 1), price_data: { ...line("hat", 900, 1).price_data, currency: "usd" } }

const seconds = (fromNow: number) => Math.floor(Date.now() / 1000) + fromNow

const create = (more: Partial<Stripe.Checkout.SessionCreateParams> = {}) =>
  stripe.checkout.sessions.create({
    mode: "payment",
    line_items: [line("shirt", 1500, 2), line("hat", 900, 1)],
    success_url: "https://shop.example/thanks",
    client_reference_id: "cart_1",
    metadata: { cart_id: "cart_1" },
    ...more,
  })

describe("a checkout session", () => {
  it("adds up its line items and waits for the buyer", async () => {
    const session = await create()
    expect(session).toMatchObject({
      object: "checkout.session",
      amount_subtotal: 3900,
      amount_total: 3900,
      currency: "eur",
      status: "open",
      payment_status: "unpaid",
      payment_intent: null,
      client_reference_id: "cart_1",
      metadata: { cart_id: "cart_1" },
    })
    expect(session.id).toMatch(/^cs_test_\w{58}$/)
    expect(session.line_items).toBeUndefined()
    expect(await stripe.checkout.sessions.retrieve(session.id)).toEqual(session)
  })

  it("lists its line items in their order, with prices and products", async () => {
    const { id } = await create()
    const items = await stripe.checkout.sessions.listLineItems(id, { expand: ["data.price.product"] })
    expect(items.data).toMatchObject([
      { description: "shirt", quantity: 2, amount_total: 3000, price: { unit_amount: 1500 } },
      { description: "hat", quantity: 1, amount_total: 900, currency: "eur" },
    ])
    expect(items.data[0]?.price?.product).toMatchObject({ metadata: { variant_id: "variant_shirt" } })
    expect(String(items.data[0]?.price?.unit_amount_decimal)).toBe("1500")
    const page = await stripe.checkout.sessions.listLineItems(id, { limit: 1 })
    expect([page.data[0]?.description, page.has_more]).toEqual(["shirt", true])
    const session = await stripe.checkout.sessions.retrieve(id, { expand: ["line_items"] })
    expect(session.line_items?.data).toHaveLength(2)
  })

  it("adds the first way of shipping", async () => {
    const fixed_amount = { amount: 500, currency: "eur" }
    const session = await create({
      shipping_options: [
        { shipping_rate_data: { display_name: "Post", type: "fixed_amount", fixed_amount } },
      ],
    })
    expect(session).toMatchObject({
      amount_subtotal: 3900,
      amount_total: 4400,
      shipping_cost: { amount_total: 500 },
    })
  })

  it("without line items, or of a kind that local Stripe doesn't speak, is refused", async () => {
    expect(await refusal(create({ line_items: [] }))).toMatchObject({ param: "line_items" })
    expect(await refusal(create({ mode: "subscription" }))).toMatchObject({ param: "mode" })
    expect(await refusal(create({ invoice_creation: { enabled: true } }))).toMatchObject({
      code: "parameter_unknown",
    })
  })

  it("that contradicts itself is refused", async () => {
    const { id: customer } = await stripe.customers.create()
    const both = await refusal(create({ customer, customer_email: "ada@example.com" }))
    expect(both.message).toContain("only specify one of these parameters: customer, customer_email")
    expect(await refusal(create({ expires_at: seconds(10 * 60) }))).toMatchObject({ param: "expires_at" })
    expect(await refusal(create({ line_items: [line("hat", 900, 1), dollars] }))).toMatchObject({
      param: "line_items",
    })
  })

  it("sells the shop's own prices, beside those that are made for it", async () => {
    const { id: product } = await stripe.products.create({ name: "hat", metadata: { variant_id: "v1" } })
    const price = await stripe.prices.create({ product, currency: "eur", unit_amount: 900 })
    const { id } = await create({
      line_items: [
        { price: price.id, quantity: 2 },
        { price_data: { currency: "eur", unit_amount: 500, product }, quantity: 1 },
      ],
    })
    const items = await stripe.checkout.sessions.listLineItems(id, { expand: ["data.price.product"] })
    expect(items.data).toMatchObject([
      { description: "hat", amount_total: 1800, price: { id: price.id, active: true } },
      { description: "hat", amount_total: 500, price: { active: false } },
    ])
    for (const item of items.data)
      expect(item.price?.product).toMatchObject({ metadata: { variant_id: "v1" } })
    await stripe.prices.update(price.id, { active: false })
    const inactive = await refusal(create({ line_items: [{ price: price.id, quantity: 1 }] }))
    expect(inactive.message).toContain("price specified is inactive")
  })

  it("expands its lines' products and its payment intent, and pages its lines", async () => {
    const { id } = await create()
    local.buyer.completeCheckout(id)
    const session = await stripe.checkout.sessions.retrieve(id, {
      expand: ["line_items.data.price.product", "payment_intent"],
    })
    expect(session.payment_intent).toMatchObject({ object: "payment_intent", amount: 3900 })
    expect(session.line_items?.data[1]?.price?.product).toMatchObject({ name: "hat" })
    const [first] = session.line_items?.data ?? []
    const rest = await stripe.checkout.sessions.listLineItems(id, { starting_after: first?.id, limit: 100 })
    expect(rest.data.map(({ description }) => description)).toEqual(["hat"])
  })

  it("changes its metadata, and is found by what it has", async () => {
    const { id: customer } = await stripe.customers.create({ email: "ada@example.com" })
    const { id } = await create({ customer })
    await create()
    const updated = await stripe.checkout.sessions.update(id, { metadata: { cart_id: "", note: "gift" } })
    expect(updated.metadata).toEqual({ note: "gift" })
    const { payment_intent, created } = local.buyer.completeCheckout(id)
    const found = async (query: Stripe.Checkout.SessionListParams) =>
      (await stripe.checkout.sessions.list(query)).data.map((session) => session.id)
    expect(await found({ customer })).toEqual([id])
    expect(await found({ payment_intent: String(payment_intent) })).toEqual([id])
    expect(await found({ status: "complete" })).toEqual([id])
    expect(await found({ customer_details: { email: "ada@example.com" } })).toEqual([id])
    expect(await found({ created: { lt: created } })).toEqual([])
  })
})

describe("the buyer", () => {
  it("pays, and the payment intent carries what the session gave it", async () => {
    const { id } = await create({
      payment_intent_data: { metadata: { order: "1" }, description: "Two things" },
      customer_creation: "always",
      shipping_address_collection: { allowed_countries: ["DE", "FR"] },
    })
    const session = local.buyer.completeCheckout(id, {
      email: "ada@example.com",
      name: "Ada",
      shipping: { name: "Ada", address: { line1: "1 Road", country: "DE" } },
    })
    expect(session).toMatchObject({
      status: "complete",
      payment_status: "paid",
      url: null,
      customer_details: { email: "ada@example.com", name: "Ada" },
      collected_information: { shipping_details: { name: "Ada", address: { country: "DE" } } },
    })
    const retrieved = await stripe.checkout.sessions.retrieve(id, {
      expand: ["payment_intent.latest_charge", "customer"],
    })
    expect(retrieved.payment_intent).toMatchObject({
      amount: 3900,
      amount_received: 3900,
      currency: "eur",
      status: "succeeded",
      description: "Two things",
      receipt_email: null,
      payment_method_types: ["card"],
      payment_details: { order_reference: id },
      shipping: { name: "Ada", address: { line1: "1 Road", country: "DE" } },
      latest_charge: { billing_details: { email: "ada@example.com" } },
    })
    expect((retrieved.payment_intent as Stripe.PaymentIntent).metadata).toEqual({ order: "1" })
    expect(retrieved.customer).toMatchObject({
      email: "ada@example.com",
      shipping: { name: "Ada", address: { country: "DE" } },
    })
    expect(local.events.map(({ type }) => type)).toEqual([
      "customer.created",
      "payment_intent.created",
      "charge.succeeded",
      "payment_intent.succeeded",
      "checkout.session.completed",
    ])
    const sent = local.events.at(-1)?.data.object
    expect(sent).toMatchObject({ id, status: "complete", metadata: { cart_id: "cart_1" } })
    expect(sent).not.toHaveProperty("line_items")
    expect(sent).not.toHaveProperty("total_details.breakdown")
  })

  it("only authorises where the session says so", async () => {
    const { id } = await create({ payment_intent_data: { capture_method: "manual" } })
    const session = local.buyer.completeCheckout(id)
    expect(session).toMatchObject({ status: "complete", payment_status: "unpaid" })
    const intent = await stripe.paymentIntents.retrieve(String(session.payment_intent))
    expect(intent).toMatchObject({ status: "requires_capture", amount_capturable: 3900 })
  })

  it("whose card is declined tries another one on the same payment intent", async () => {
    const { id } = await create()
    expect(() => local.buyer.completeCheckout(id, { paymentMethod: "pm_card_chargeDeclined" })).toThrow(
      ApiError,
    )
    const open = await stripe.checkout.sessions.retrieve(id)
    expect(open).toMatchObject({ status: "open", payment_intent: expect.stringMatching(/^pi_/) })
    const paid = local.buyer.completeCheckout(id)
    expect(paid).toMatchObject({ status: "complete", payment_intent: open.payment_intent })
  })

  it("passes the bank's check on the way", async () => {
    const { id } = await create()
    const session = local.buyer.completeCheckout(id, { paymentMethod: "pm_card_authenticationRequired" })
    expect(session.payment_status).toBe("paid")
  })

  it("can't pay twice, nor after the session has expired", async () => {
    const paid = await create()
    local.buyer.completeCheckout(paid.id)
    expect(() => local.buyer.completeCheckout(paid.id)).toThrow("is complete")
    const left = await create()
    expect(await stripe.checkout.sessions.expire(left.id)).toMatchObject({ status: "expired", url: null })
    expect(() => local.buyer.completeCheckout(left.id)).toThrow("is expired")
    expect((await refusal(stripe.checkout.sessions.expire(left.id))).message).toContain("status of expired")
    expect((await stripe.checkout.sessions.list({ status: "expired" })).data).toHaveLength(1)
  })
})
