import type Stripe from "stripe"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { type StripeLocal, startStripeLocal } from "../src/index.js"
import { spread, totals } from "../src/resources/checkout-totals.js"
import { refusal } from "./refusal.js"

let local: StripeLocal
let stripe: Stripe

beforeEach(async () => {
  local = await startStripeLocal()
  stripe = local.client()
})
afterEach(() => local.close())

type Line = Stripe.Checkout.SessionCreateParams.LineItem

const line = (unit_amount: number, more: Partial<Line> = {}): Line => ({
  price_data: { currency: "eur", unit_amount, product_data: { name: `item of ${unit_amount}` } },
  quantity: 1,
  ...more,
})

const shipping = (display_name: string, amount: number) => ({
  shipping_rate_data: {
    display_name,
    type: "fixed_amount" as const,
    fixed_amount: { amount, currency: "eur" },
    metadata: { option: display_name },
  },
})

const create = (line_items: Line[], more: Partial<Stripe.Checkout.SessionCreateParams> = {}) =>
  stripe.checkout.sessions.create({
    mode: "payment",
    line_items,
    success_url: "https://shop.example/thanks",
    expand: ["line_items.data.taxes", "line_items.data.discounts", "total_details.breakdown"],
    ...more,
  })

const rate = async (percentage: number, inclusive: boolean) =>
  (await stripe.taxRates.create({ display_name: "VAT", percentage, inclusive })).id

describe("a discount", () => {
  it("of a part is spread over the lines and doesn't touch shipping", async () => {
    const { id: coupon } = await stripe.coupons.create({ percent_off: 10 })
    const session = await create([line(999), line(501)], {
      discounts: [{ coupon }],
      shipping_options: [shipping("Post", 500)],
    })
    expect(session).toMatchObject({
      amount_subtotal: 1500,
      amount_total: 1850,
      discounts: [{ coupon, promotion_code: null }],
      total_details: {
        amount_discount: 150,
        amount_shipping: 500,
        amount_tax: 0,
        breakdown: { discounts: [{ amount: 150, discount: { source: { coupon } } }], taxes: [] },
      },
      line_items: {
        data: [
          { amount_subtotal: 999, amount_discount: 100, amount_total: 899, discounts: [{ amount: 100 }] },
          { amount_subtotal: 501, amount_discount: 50, amount_total: 451 },
        ],
      },
    })
  })

  it("of an amount takes off no more than there is, and of another currency nothing", async () => {
    const euros = await stripe.coupons.create({ amount_off: 5000, currency: "eur" })
    const session = await create([line(900)], { discounts: [{ coupon: euros.id }] })
    expect(session).toMatchObject({ amount_total: 0, total_details: { amount_discount: 900 } })
    const dollars = await stripe.coupons.create({ amount_off: 5000, currency: "usd" })
    expect((await refusal(create([line(900)], { discounts: [{ coupon: dollars.id }] }))).message).toContain(
      "usd",
    )
  })

  it("by the shop excludes a code of the buyer's", async () => {
    const { id: coupon } = await stripe.coupons.create({ percent_off: 10 })
    const both = create([line(900)], { discounts: [{ coupon }], allow_promotion_codes: true })
    expect((await refusal(both)).message).toContain("allow_promotion_codes, discounts")
  })
})

describe("a tax rate", () => {
  it("that the price has in it comes out of it, another one is added", async () => {
    const included = await rate(19, true)
    const added = await rate(7, false)
    const session = await create([
      line(1190, { tax_rates: [included] }),
      line(1000, { tax_rates: [added], quantity: 2 }),
    ])
    expect(session).toMatchObject({
      amount_subtotal: 3190,
      amount_total: 3330,
      total_details: {
        amount_tax: 330,
        breakdown: {
          taxes: [
            { amount: 190, rate: { id: included } },
            { amount: 140, taxable_amount: 2000 },
          ],
        },
      },
      line_items: {
        data: [
          { amount_tax: 190, amount_total: 1190, taxes: [{ amount: 190, taxable_amount: 1000 }] },
          { amount_tax: 140, amount_total: 2140 },
        ],
      },
    })
  })

  it("is of what the discount leaves", async () => {
    const { id: coupon } = await stripe.coupons.create({ percent_off: 50 })
    const line_items = [line(1000, { tax_rates: [await rate(10, false)] })]
    expect(await create(line_items, { discounts: [{ coupon }] })).toMatchObject({ amount_total: 550 })
  })

  it("excludes Stripe Tax, which taxes shipping too once it knows the address", async () => {
    const automatic_tax = { enabled: true }
    const withRate = create([line(1000, { tax_rates: [await rate(10, false)] })], { automatic_tax })
    expect((await refusal(withRate)).message).toContain("automatic tax")
    const open = await create([line(1000)], { automatic_tax, shipping_options: [shipping("Post", 500)] })
    expect(open).toMatchObject({ amount_total: 1500, automatic_tax: { status: "requires_location_inputs" } })
    const session = local.buyer.completeCheckout(open.id, { automaticTax: 20 })
    expect(session).toMatchObject({
      amount_total: 1800,
      automatic_tax: { status: "complete" },
      shipping_cost: { amount_subtotal: 500, amount_tax: 100, amount_total: 600 },
      total_details: { amount_shipping: 500, amount_tax: 300 },
    })
    const intent = await stripe.paymentIntents.retrieve(String(session.payment_intent))
    expect(intent).toMatchObject({
      amount: 1800,
      amount_details: { shipping: { amount: 500 }, tax: { total_tax_amount: 300 } },
    })
  })
})

describe("ways of shipping", () => {
  it("are the shop's rates or made for the session, and the buyer chooses", async () => {
    const { id: shipping_rate } = await stripe.shippingRates.create({
      display_name: "Post",
      type: "fixed_amount",
      fixed_amount: { amount: 500, currency: "eur" },
    })
    const { id } = await create([line(1000)], {
      shipping_options: [{ shipping_rate }, shipping("Express", 1500)],
    })
    local.buyer.completeCheckout(id, { shippingOption: "Express" })
    const session = await stripe.checkout.sessions.retrieve(id, { expand: ["shipping_cost.shipping_rate"] })
    expect(session).toMatchObject({
      amount_total: 2500,
      shipping_cost: { amount_total: 1500, shipping_rate: { metadata: { option: "Express" } } },
      shipping_options: [{ shipping_amount: 500, shipping_rate }, { shipping_amount: 1500 }],
    })
  })
})

describe("the arithmetic", () => {
  it("spreads an amount to the last cent", () => {
    expect(spread(100, [1, 1, 1])).toEqual([34, 33, 33])
    expect(spread(0, [0, 0])).toEqual([0, 0])
  })

  it("adds rates to what the included ones leave", () => {
    const rates = [
      { percentage: 10, inclusive: true },
      { percentage: 5, inclusive: false },
    ]
    expect(totals(1100, 0, rates)).toMatchObject({ tax: 150, total: 1150 })
  })
})
