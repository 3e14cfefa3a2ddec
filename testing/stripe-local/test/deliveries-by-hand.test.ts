import type Stripe from "stripe"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { type StripeLocal, startStripeLocal } from "../src/index.js"
import { Shop, verify } from "./shop.js"

let local: StripeLocal
let stripe: Stripe
let shop: Shop
let secret: string

beforeEach(async () => {
  local = await startStripeLocal()
  stripe = local.client()
  shop = await Shop.open()
  secret = local.addWebhookEndpoint({ url: shop.url, enabledEvents: ["payment_intent.created"] }).secret
})
afterEach(async () => {
  await local.close()
  await shop.close()
})

const last = () => {
  const { body, signature } = shop.received.at(-1) ?? { body: "", signature: "" }
  return { body, signature }
}

describe("a thin event", () => {
  it("is signed, and names an object that the shop can fetch", async () => {
    const { id } = await stripe.paymentIntents.create({ amount: 2000, currency: "usd" })
    const related = { id, type: "payment_intent", url: `/v1/payment_intents/${id}` }
    const [delivery] = await local.deliverThin({ type: "v2.core.account.updated", related })
    expect(delivery).toMatchObject({ type: "v2.core.account.updated", status: 200 })
    const { body, signature } = last()
    expect(JSON.parse(body)).toMatchObject({ object: "v2.core.event", livemode: false, context: null })
    const notification = stripe.parseEventNotification(body, signature, secret)
    expect(notification).toMatchObject({ id: delivery?.event, related_object: related })
    const thin = notification as unknown as Record<"fetchEvent" | "fetchRelatedObject", () => Promise<object>>
    expect(await thin.fetchEvent()).toMatchObject({ id: delivery?.event, object: "v2.core.event" })
    expect(await thin.fetchRelatedObject()).toMatchObject({ id, object: "payment_intent" })
  })

  it("is refused by a shop that takes it for a whole one", async () => {
    await local.deliverThin({ type: "v2.core.account.updated", context: "acct_1", livemode: true })
    const { body, signature } = last()
    expect(() => verify(body, signature, secret)).toThrow()
    expect(JSON.parse(body)).toMatchObject({ context: "acct_1", livemode: true })
  })
})

it("an event of live mode", async () => {
  await stripe.paymentIntents.create({ amount: 2000, currency: "usd" })
  await local.idle()
  const event = local.events[0] as Stripe.Event
  await local.deliver(event.id, { livemode: true })
  const { body, signature } = last()
  expect(verify(body, signature, secret)).toMatchObject({ id: event.id, livemode: true })
  expect((await stripe.events.retrieve(event.id)).livemode).toBe(false)
})
