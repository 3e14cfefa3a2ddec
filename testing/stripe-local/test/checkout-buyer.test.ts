import type Stripe from "stripe"
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import { beforeBasil, type StripeLocal, startStripeLocal } from "../src/index.js"

let local: StripeLocal
let stripe: Stripe

beforeEach(async () => {
  local = await startStripeLocal()
  stripe = local.client()
})
afterEach(async () => {
  vi.useRealTimers()
  await local.close()
})

type Line = Stripe.Checkout.SessionCreateParams.LineItem

const line = (name: string, unit_amount: number, more: Partial<Line> = {}): Line => ({
  price_data: { currency: "eur", unit_amount, product_data: { name } },
  quantity: 1,
  ...more,
})

const create = (more: Partial<Stripe.Checkout.SessionCreateParams> = {}) =>
  stripe.checkout.sessions.create({
    mode: "payment",
    line_items: [line("hat", 900)],
    success_url: "https://shop.example/thanks",
    ...more,
  })

const types = () => local.events.map(({ type }) => type)

const code = async (given: Partial<Stripe.PromotionCodeCreateParams> = {}, percent_off = 10) => {
  const { id: coupon } = await stripe.coupons.create({ percent_off })
  return stripe.promotionCodes.create({ promotion: { type: "coupon", coupon }, code: "FALL", ...given })
}

describe("the checkout page", () => {
  it("passes on what it asks for", async () => {
    const { id } = await create({
      phone_number_collection: { enabled: true },
      shipping_address_collection: { allowed_countries: ["DE", "FR"] },
    })
    const session = local.buyer.completeCheckout(id, {
      email: "ada@example.com",
      name: "Ada",
      phone: "+491512345",
      address: { country: "DE", postal_code: "10115" },
      shipping: { name: "Bob", address: { line1: "1 Rue", country: "FR" } },
    })
    expect(session).toMatchObject({
      customer_details: {
        address: { country: "DE", postal_code: "10115", city: null },
        email: "ada@example.com",
        name: "Ada",
        phone: "+491512345",
        tax_exempt: "none",
      },
      collected_information: { shipping_details: { name: "Bob", address: { country: "FR" } } },
    })
    const intent = await stripe.paymentIntents.retrieve(String(session.payment_intent), {
      expand: ["latest_charge"],
    })
    expect(intent.shipping).toMatchObject({ name: "Bob", address: { line1: "1 Rue" }, carrier: null })
    expect(intent.latest_charge).toMatchObject({
      billing_details: { email: "ada@example.com", name: "Ada", phone: "+491512345" },
      receipt_email: null,
      shipping: { name: "Bob" },
    })
  })

  it("has a default for all that it asks for, and nothing for the rest", async () => {
    const asked = await create({
      phone_number_collection: { enabled: true },
      shipping_address_collection: { allowed_countries: ["FR"] },
    })
    expect(local.buyer.completeCheckout(asked.id)).toMatchObject({
      customer_details: { phone: expect.stringMatching(/^\+/) },
      collected_information: { shipping_details: { address: { country: "FR" } } },
    })
    const plain = local.buyer.completeCheckout((await create()).id)
    expect(plain).toMatchObject({ customer_details: { phone: null }, collected_information: null })
    expect((await stripe.paymentIntents.retrieve(String(plain.payment_intent))).shipping).toBeNull()
  })

  it("takes nothing that it doesn't ask for", async () => {
    const { id } = await create({ shipping_options: [] })
    const shipping = { name: "Bob", address: { country: "FR" } }
    const complete = (form: Parameters<typeof local.buyer.completeCheckout>[1]) => () =>
      local.buyer.completeCheckout(id, form)
    expect(complete({ shipping })).toThrow("shipping_address_collection")
    expect(complete({ phone: "+491512345" })).toThrow("phone_number_collection")
    expect(complete({ promotionCode: "FALL" })).toThrow("takes no promotion codes")
    expect(complete({ shippingOption: "Post" })).toThrow('no shipping option "Post"')
    expect(complete({ quantities: { hat: 2 } })).toThrow("can't be adjusted")
    const abroad = await create({ shipping_address_collection: { allowed_countries: ["DE"] } })
    expect(() => local.buyer.completeCheckout(abroad.id, { shipping })).toThrow("ships to DE, not to FR")
  })

  it("shows the address of a known customer, and saves what it may", async () => {
    const { id: customer } = await stripe.customers.create({ email: "ada@example.com" })
    const open = await create({ customer, customer_update: { name: "auto" } })
    expect(open).toMatchObject({ customer_creation: null, customer_details: { email: "ada@example.com" } })
    const session = local.buyer.completeCheckout(open.id, { email: "other@example.com", name: "Ada" })
    expect(session.customer_details?.email).toBe("ada@example.com")
    expect(await stripe.customers.retrieve(customer)).toMatchObject({ name: "Ada", address: null })
  })
})

describe("an endpoint of an older version", () => {
  it("gets the shipping details in the session itself, and no invoice of it", async () => {
    const { id } = await create({ shipping_address_collection: { allowed_countries: ["DE"] } })
    local.buyer.completeCheckout(id, { name: "Ada" })
    const sent = (type: string) => {
      const event = local.events.find((event) => event.type === type)
      return beforeBasil(structuredClone(event) as Stripe.Event).data.object
    }
    expect(sent("checkout.session.completed")).toMatchObject({ shipping_details: { name: "Ada" } })
    expect(sent("payment_intent.succeeded")).toMatchObject({ invoice: null })
  })
})

describe("quantities", () => {
  it("are adjusted within their bounds", async () => {
    const { id } = await create({
      line_items: [
        line("hat", 900, { adjustable_quantity: { enabled: true, minimum: 1, maximum: 3 } }),
        line("pin", 100, { adjustable_quantity: { enabled: true } }),
      ],
    })
    expect(() => local.buyer.completeCheckout(id, { quantities: { hat: 4 } })).toThrow("between 1 and 3")
    const session = local.buyer.completeCheckout(id, { quantities: { hat: 3, pin: 0 } })
    expect(session.amount_total).toBe(2700)
    const { data } = await stripe.checkout.sessions.listLineItems(id)
    expect(data).toMatchObject([{ description: "hat", quantity: 3, amount_total: 2700 }])
  })
})

describe("a promotion code", () => {
  it("is typed in by the buyer, and counted", async () => {
    const { id: promotion_code } = await code({ max_redemptions: 1 })
    const first = await create({ allow_promotion_codes: true })
    const session = local.buyer.completeCheckout(first.id, { promotionCode: "fall" })
    expect(session).toMatchObject({ amount_total: 810, discounts: [{ coupon: null, promotion_code }] })
    expect(await stripe.promotionCodes.retrieve(promotion_code)).toMatchObject({
      active: false,
      times_redeemed: 1,
    })
    const second = await create({ allow_promotion_codes: true })
    expect(() => local.buyer.completeCheckout(second.id, { promotionCode: "FALL" })).toThrow("is invalid")
  })

  it("may have a minimum amount", async () => {
    await code({ restrictions: { minimum_amount: 1000, minimum_amount_currency: "eur" } })
    const { id } = await create({ allow_promotion_codes: true })
    expect(() => local.buyer.completeCheckout(id, { promotionCode: "FALL" })).toThrow("minimum amount")
  })
})

describe("an order without cost", () => {
  it("is complete and has no payment intent", async () => {
    await code({}, 100)
    const { id } = await create({ allow_promotion_codes: true, customer_creation: "always" })
    const session = local.buyer.completeCheckout(id, { promotionCode: "FALL" })
    expect(session).toMatchObject({
      amount_total: 0,
      payment_intent: null,
      payment_status: "no_payment_required",
      status: "complete",
    })
    expect(types().slice(-2)).toEqual(["customer.created", "checkout.session.completed"])
    expect((await stripe.paymentIntents.list()).data).toEqual([])
  })
})

describe("a declined card", () => {
  it("leaves a payment intent that follows the order's new sum", async () => {
    await code()
    const { id } = await create({ allow_promotion_codes: true })
    expect(() => local.buyer.completeCheckout(id, { paymentMethod: "pm_card_chargeDeclined" })).toThrow()
    const { amount_total, payment_intent } = local.buyer.completeCheckout(id, { promotionCode: "FALL" })
    expect(await stripe.paymentIntents.retrieve(String(payment_intent))).toMatchObject({
      amount: Number(amount_total),
      amount_received: 810,
    })
  })
})

describe("an open session", () => {
  it("expires after a day, or when its time is up", async () => {
    const { id } = await create()
    const soon = await create({ expires_at: Math.floor(Date.now() / 1000) + 45 * 60 })
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 60 * 60 * 1000 })
    expect(await stripe.checkout.sessions.retrieve(soon.id)).toMatchObject({ status: "expired", url: null })
    expect(await stripe.checkout.sessions.retrieve(id)).toMatchObject({ status: "open" })
    vi.setSystemTime(Date.now() + 24 * 60 * 60 * 1000)
    expect(() => local.buyer.completeCheckout(id)).toThrow("is expired")
    expect(types()).toEqual(["checkout.session.expired", "checkout.session.expired"])
  })

  it("expires by itself, without being looked at", async () => {
    await create()
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 25 * 60 * 60 * 1000 })
    await vi.waitFor(() => expect(types()).toEqual(["checkout.session.expired"]), 3_000)
  })

  it("takes the payment intent of a declined attempt with it", async () => {
    const { id } = await create()
    expect(() => local.buyer.completeCheckout(id, { paymentMethod: "pm_card_chargeDeclined" })).toThrow()
    const { payment_intent, status } = local.bank.expireCheckout(id)
    expect(status).toBe("expired")
    expect((await stripe.paymentIntents.retrieve(String(payment_intent))).status).toBe("canceled")
    expect(types().slice(-2)).toEqual(["payment_intent.canceled", "checkout.session.expired"])
  })
})

describe("a voucher or a debit", () => {
  it("completes the session unpaid, and its end is told by an event with the whole session", async () => {
    const { id } = await create({ metadata: { cart_id: "cart_1" } })
    const session = local.buyer.completeCheckout(id, { paymentMethod: "pm_success_de" })
    expect(session).toMatchObject({ status: "complete", payment_status: "unpaid" })
    const intent = await stripe.paymentIntents.retrieve(String(session.payment_intent))
    expect(intent).toMatchObject({ status: "processing", payment_method_types: ["sepa_debit"] })
    local.bank.settlePayment(intent.id)
    const last = local.events.at(-1)
    expect(last?.type).toBe("checkout.session.async_payment_succeeded")
    expect(last?.data.object).toMatchObject({ id, payment_status: "paid", metadata: { cart_id: "cart_1" } })
    expect(last?.data.object).not.toHaveProperty("line_items")
  })
})
