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

const types = () => local.events.map(({ type }) => type)

describe("products", () => {
  it("are made, found and changed", async () => {
    const hat = await stripe.products.create({ name: "hat", metadata: { variant_id: "v1", old: "1" } })
    expect(hat).toMatchObject({ object: "product", active: true, name: "hat", default_price: null })
    const { id } = await stripe.products.create({ id: "my_scarf", name: "scarf", active: false })
    expect(id).toBe("my_scarf")
    const changed = await stripe.products.update(hat.id, { description: "Felt", metadata: { old: "" } })
    expect(changed).toMatchObject({ description: "Felt", metadata: { variant_id: "v1" } })
    expect(await stripe.products.retrieve(hat.id)).toEqual(changed)
    expect((await stripe.products.list({ active: true })).data.map(({ name }) => name)).toEqual(["hat"])
    expect((await stripe.products.list({ ids: [id] })).data).toHaveLength(1)
    expect(types()).toEqual(["product.created", "product.created", "product.updated"])
    expect(await refusal(stripe.products.create({ id, name: "again" }))).toMatchObject({
      code: "resource_already_exists",
    })
  })

  it("bring their first price along", async () => {
    const hat = await stripe.products.create({
      name: "hat",
      default_price_data: { currency: "eur", unit_amount: 900 },
      expand: ["default_price"],
    })
    expect(hat.default_price).toMatchObject({ unit_amount: 900, product: hat.id })
  })
})

describe("prices", () => {
  const price = (more: Partial<Stripe.PriceCreateParams> = {}) =>
    stripe.prices.create({ currency: "eur", unit_amount: 900, product_data: { name: "hat" }, ...more })

  it("are made with or for a product, and change all but their amount", async () => {
    const made = await price({ metadata: { sku: "h1" }, expand: ["product"] })
    expect(made).toMatchObject({ active: true, type: "one_time", unit_amount: 900, product: { name: "hat" } })
    expect(String(made.unit_amount_decimal)).toBe("900")
    const changed = await stripe.prices.update(made.id, { nickname: "sale", active: false })
    expect(changed).toMatchObject({ nickname: "sale", active: false, metadata: { sku: "h1" } })
    expect(await refusal(price({ product: "prod_none", product_data: undefined }))).toMatchObject({
      code: "resource_missing",
    })
  })

  it("are found by lookup keys, of which each belongs to one price", async () => {
    const old = await price({ lookup_key: "hat" })
    await price({ lookup_key: "scarf" })
    const found = await stripe.prices.list({ lookup_keys: ["hat"], expand: ["data.product"] })
    expect(found.data).toMatchObject([{ id: old.id, product: { name: "hat" } }])
    expect((await refusal(price({ lookup_key: "hat" }))).message).toContain("already uses that lookup key")
    const next = await price({ lookup_key: "hat", transfer_lookup_key: true })
    expect((await stripe.prices.list({ lookup_keys: ["hat"] })).data.map(({ id }) => id)).toEqual([next.id])
    expect((await stripe.prices.retrieve(old.id)).lookup_key).toBeNull()
  })
})

describe("coupons and promotion codes", () => {
  it("take off a part or an amount, as often as they may", async () => {
    const coupon = await stripe.coupons.create({ percent_off: 25.5, name: "Sale" })
    expect(coupon).toMatchObject({ percent_off: 25.5, amount_off: null, duration: "once", valid: true })
    expect(await refusal(stripe.coupons.create({ amount_off: 500 }))).toMatchObject({ param: "currency" })
    expect(await refusal(stripe.coupons.create({}))).toMatchObject({ type: "StripeInvalidRequestError" })
    const code = await stripe.promotionCodes.create({
      promotion: { type: "coupon", coupon: coupon.id },
      code: "FALL20",
      max_redemptions: 1,
      expand: ["promotion.coupon"],
    })
    expect(code).toMatchObject({ active: true, code: "FALL20", promotion: { coupon: { percent_off: 25.5 } } })
    const again = stripe.promotionCodes.create({
      promotion: { type: "coupon", coupon: coupon.id },
      code: "fall20",
    })
    expect((await refusal(again)).message).toContain("already exists")
    expect((await stripe.promotionCodes.list({ code: "fall20", active: true })).data).toHaveLength(1)
    expect(await stripe.promotionCodes.update(code.id, { active: false })).toMatchObject({ active: false })
  })
})

describe("tax rates and shipping rates", () => {
  it("are made, listed and changed", async () => {
    const vat = await stripe.taxRates.create({ display_name: "VAT", percentage: 19, inclusive: true })
    expect(vat).toMatchObject({ object: "tax_rate", active: true, inclusive: true, percentage: 19 })
    expect(await stripe.taxRates.update(vat.id, { active: false })).toMatchObject({ active: false })
    expect((await stripe.taxRates.list({ active: true })).data).toEqual([])
    const post = await stripe.shippingRates.create({
      display_name: "Post",
      type: "fixed_amount",
      fixed_amount: { amount: 500, currency: "eur" },
      delivery_estimate: { minimum: { unit: "business_day", value: 2 } },
      metadata: { option: "so_1" },
    })
    expect(post).toMatchObject({
      fixed_amount: { amount: 500 },
      delivery_estimate: { minimum: { unit: "business_day", value: 2 }, maximum: null },
      metadata: { option: "so_1" },
    })
    expect(await stripe.shippingRates.retrieve(post.id)).toEqual(post)
  })
})
