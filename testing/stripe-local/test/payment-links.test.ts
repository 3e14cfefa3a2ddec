import type Stripe from "stripe"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { type StripeLocal, startStripeLocal } from "../src/index.js"
import { refusal } from "./refusal.js"

let local: StripeLocal
let stripe: Stripe
let price: string

beforeEach(async () => {
  local = await startStripeLocal()
  stripe = local.client()
  const hat = {
    currency: "eur",
    unit_amount: 900,
    product_data: { name: "hat", metadata: { variant_id: "v1" } },
  }
  price = (await stripe.prices.create(hat)).id
})
afterEach(() => local.close())

const create = (more: Partial<Stripe.PaymentLinkCreateParams> = {}) =>
  stripe.paymentLinks.create({ line_items: [{ price, quantity: 2 }], ...more })

describe("a payment link", () => {
  it("is made, found and changed", async () => {
    const link = await create({ metadata: { shop: "de" }, after_completion: thanks })
    expect(link).toMatchObject({
      object: "payment_link",
      active: true,
      currency: "eur",
      metadata: { shop: "de" },
      after_completion: thanks,
      payment_intent_data: null,
      restrictions: null,
    })
    expect(link.id).toMatch(/^plink_/)
    const changed = await stripe.paymentLinks.update(link.id, { active: false, metadata: { campaign: "x" } })
    expect(changed).toMatchObject({ active: false, metadata: { shop: "de", campaign: "x" } })
    expect(await stripe.paymentLinks.retrieve(link.id)).toEqual(changed)
    expect((await stripe.paymentLinks.list({ active: true })).data).toEqual([])
    const { data } = await stripe.paymentLinks.listLineItems(link.id, { expand: ["data.price.product"] })
    expect(data).toMatchObject([{ quantity: 2, price: { id: price, product: { name: "hat" } } }])
    const expanded = await stripe.paymentLinks.retrieve(link.id, { expand: ["line_items"] })
    expect(expanded.line_items?.data).toHaveLength(1)
  })

  it("replaces the metadata of its payment intents, and changes its lines", async () => {
    const link = await create({ payment_intent_data: { metadata: { old: "1" }, description: "Hats" } })
    const [line] = (await stripe.paymentLinks.listLineItems(link.id)).data
    const { payment_intent_data } = await stripe.paymentLinks.update(link.id, {
      line_items: [{ id: String(line?.id), quantity: 5 }],
      payment_intent_data: { metadata: { new: "1" } },
    })
    expect(payment_intent_data).toMatchObject({ metadata: { new: "1" }, description: "Hats" })
    expect(local.buyer.openPaymentLink(link.id).amount_total).toBe(4500)
  })
})

describe("a payment link that Stripe doesn't make", () => {
  it("is refused", async () => {
    const rate = await stripe.taxRates.create({ display_name: "VAT", percentage: 19, inclusive: true })
    const line = { price, quantity: 1, tax_rates: [rate.id] }
    expect(await refusal(create({ line_items: [line] }))).toMatchObject({ code: "parameter_unknown" })
    expect(await refusal(create({ currency: "usd" }))).toMatchObject({ param: "currency" })
    expect(await refusal(create({ line_items: [] }))).toMatchObject({ param: "line_items" })
  })
})

const thanks = { type: "redirect" as const, redirect: { url: "https://shop.example/thanks" } }

describe("the buyer who opens a link", () => {
  it("gets a checkout session of its own, with what the link says", async () => {
    const { id: shipping_rate } = await stripe.shippingRates.create({
      display_name: "Post",
      type: "fixed_amount",
      fixed_amount: { amount: 500, currency: "eur" },
    })
    const link = await create({
      after_completion: thanks,
      line_items: [{ price, quantity: 2, adjustable_quantity: { enabled: true, maximum: 4 } }],
      metadata: { shop: "de" },
      payment_intent_data: { metadata: { source: "link" }, capture_method: "manual" },
      phone_number_collection: { enabled: true },
      shipping_address_collection: { allowed_countries: ["DE"] },
      shipping_options: [{ shipping_rate }],
    })
    const open = local.buyer.openPaymentLink(`${link.url}?client_reference_id=cart_1&utm_source=mail`)
    expect(open).toMatchObject({
      amount_total: 2300,
      client_reference_id: "cart_1",
      metadata: { shop: "de" },
      payment_link: link.id,
      status: "open",
      success_url: "https://shop.example/thanks",
    })
    const session = local.buyer.completeCheckout(open.id, { quantities: { hat: 4 } })
    expect(session).toMatchObject({ amount_total: 4100, payment_status: "unpaid", payment_link: link.id })
    expect(await stripe.paymentIntents.retrieve(String(session.payment_intent))).toMatchObject({
      capture_method: "manual",
      metadata: { source: "link" },
      shipping: { address: { country: "DE" } },
    })
    const again = local.buyer.openPaymentLink(link.id)
    expect(again).toMatchObject({ amount_total: 2300, client_reference_id: null })
    const { data } = await stripe.checkout.sessions.list({ payment_link: link.id, status: "complete" })
    expect(data.map(({ id }) => id)).toEqual([session.id])
    const items = await stripe.checkout.sessions.listLineItems(session.id, { expand: ["data.price.product"] })
    expect(items.data[0]?.price?.product).toMatchObject({ metadata: { variant_id: "v1" } })
  })

  it("may type in a promotion code where the link allows it", async () => {
    const { id: coupon } = await stripe.coupons.create({ percent_off: 50 })
    await stripe.promotionCodes.create({ promotion: { type: "coupon", coupon }, code: "HALF" })
    const { id } = await create({ allow_promotion_codes: true })
    const session = local.buyer.openPaymentLink(id)
    expect(local.buyer.completeCheckout(session.id, { promotionCode: "HALF" }).amount_total).toBe(900)
  })

  it("finds it closed once it has been paid as often as it may be, or the shop has deactivated it", async () => {
    const { id } = await create({ restrictions: { completed_sessions: { limit: 1 } } })
    const [first, late] = [local.buyer.openPaymentLink(id), local.buyer.openPaymentLink(id)]
    local.buyer.completeCheckout(first.id)
    expect(await stripe.paymentLinks.retrieve(id)).toMatchObject({
      active: false,
      restrictions: { completed_sessions: { count: 1, limit: 1 } },
    })
    expect(() => local.buyer.openPaymentLink(id)).toThrow("deactivated")
    expect(() => local.buyer.completeCheckout(late.id)).toThrow("as often as it may be")
    const closed = await create({ inactive_message: "Sold out" })
    await stripe.paymentLinks.update(closed.id, { active: false })
    expect(() => local.buyer.openPaymentLink(closed.url)).toThrow("Sold out")
  })

  it("doesn't find one that was never made", async () => {
    expect(() => local.buyer.openPaymentLink("plink_none")).toThrow("No such payment_link")
    expect(await refusal(stripe.paymentLinks.retrieve("plink_none"))).toMatchObject({ statusCode: 404 })
  })
})
