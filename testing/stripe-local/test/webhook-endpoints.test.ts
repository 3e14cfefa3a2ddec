import type Stripe from "stripe"
import { afterEach, beforeEach, expect, it } from "vitest"
import { type StripeLocal, startStripeLocal } from "../src/index.js"
import { refusal } from "./refusal.js"
import { Shop } from "./shop.js"

let local: StripeLocal
let stripe: Stripe
let shop: Shop

beforeEach(async () => {
  shop = await Shop.open()
  local = await startStripeLocal()
  stripe = local.client()
})
afterEach(async () => {
  await local.close()
  await shop.close()
})

it("an endpoint's secret is shown once", async () => {
  const made = await stripe.webhookEndpoints.create({
    url: shop.url,
    enabled_events: ["customer.created"],
    description: "the shop",
  })
  expect(made).toMatchObject({ status: "enabled", enabled_events: ["customer.created"] })
  expect(made.secret).toMatch(/^whsec_\w{32}$/)
  const { secret, ...rest } = made
  expect(await stripe.webhookEndpoints.retrieve(made.id)).toEqual(rest)
  expect((await stripe.webhookEndpoints.list()).data).toEqual([rest])
  await stripe.customers.create()
  await local.idle()
  expect(shop.verified(String(secret))).toMatchObject([{ type: "customer.created" }])
})

it("an endpoint is changed, disabled and deleted", async () => {
  const { id } = await stripe.webhookEndpoints.create({ url: shop.url, enabled_events: ["charge.failed"] })
  await stripe.webhookEndpoints.update(id, { enabled_events: ["customer.created"] })
  await stripe.customers.create()
  await local.idle()
  expect(shop.types).toEqual(["customer.created"])
  expect((await stripe.webhookEndpoints.update(id, { disabled: true })).status).toBe("disabled")
  await stripe.customers.create()
  await stripe.webhookEndpoints.update(id, { disabled: false })
  expect(await stripe.webhookEndpoints.del(id)).toMatchObject({ id, deleted: true })
  await stripe.customers.create()
  await local.idle()
  expect(shop.types).toEqual(["customer.created"])
  expect(await refusal(stripe.webhookEndpoints.retrieve(id))).toMatchObject({ statusCode: 404 })
  expect((await stripe.webhookEndpoints.list()).data).toEqual([])
})

it("an endpoint with a URL that is none is refused", async () => {
  const call = stripe.webhookEndpoints.create({ url: "nowhere", enabled_events: ["*"] })
  expect(await refusal(call)).toMatchObject({ code: "url_invalid", param: "url" })
})

it("a fixed secret comes from outside, and the same URL is not added twice", async () => {
  const first = local.addWebhookEndpoint({ url: shop.url, secret: "whsec_first" })
  const second = local.addWebhookEndpoint({ url: shop.url, secret: "whsec_fixed" })
  expect(second.secret).toBe("whsec_fixed")
  expect(second.id).not.toBe(first.id)
  await stripe.customers.create()
  await local.idle()
  expect(shop.verified("whsec_fixed")).toHaveLength(1)
})
