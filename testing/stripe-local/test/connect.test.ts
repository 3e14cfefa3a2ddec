import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type Stripe from "stripe"
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from "vitest"
import { type ConnectedAccount, type StripeLocal, startStripeLocal } from "../src/index.js"
import { refusal } from "./refusal.js"
import { Shop } from "./shop.js"

let local: StripeLocal
let stripe: Stripe
let seller: ConnectedAccount

beforeEach(async () => {
  local = await startStripeLocal()
  stripe = local.client()
  seller = local.connectAccount()
})
afterEach(() => local.close())

const paid = { amount: 2000, currency: "usd", payment_method: "pm_card_visa", confirm: true } as const

describe("a connected account", () => {
  it("has objects and events of its own", async () => {
    const inIt = { stripeAccount: seller.id }
    const own = await stripe.paymentIntents.create(paid)
    const theirs = await stripe.paymentIntents.create(paid, inIt)
    expect(await refusal(stripe.paymentIntents.retrieve(theirs.id))).toMatchObject({ statusCode: 404 })
    expect(await refusal(stripe.paymentIntents.retrieve(own.id, {}, inIt))).toMatchObject({ statusCode: 404 })
    const found = await stripe.paymentIntents.retrieve(theirs.id, { expand: ["latest_charge"] }, inIt)
    expect(found.latest_charge).toMatchObject({ object: "charge" })
    expect((await stripe.paymentIntents.list({}, inIt)).data.map(({ id }) => id)).toEqual([theirs.id])

    expect(seller.events.map(({ account }) => account)).toEqual([seller.id, seller.id, seller.id])
    expect(local.events.every((event) => !("account" in event))).toBe(true)
    const [event] = (await stripe.events.list({ type: "payment_intent.succeeded" }, inIt)).data
    expect(event).toMatchObject({ account: seller.id, data: { object: { id: theirs.id } } })
    expect((await stripe.events.list({ type: "payment_intent.succeeded" })).data).toHaveLength(1)
  })

  it("is refused when it does not exist", async () => {
    const call = stripe.paymentIntents.create(paid, { stripeAccount: "acct_none" })
    expect(await refusal(call)).toMatchObject({ statusCode: 403, code: "account_invalid" })
    expect(() => local.connectedAccount("acct_none")).toThrow("No such connected account")
  })

  it("has idempotency keys of its own, and shares the budget and the request log", async () => {
    const key = { idempotencyKey: "key_1" }
    const own = await stripe.paymentIntents.create(paid, key)
    const theirs = await stripe.paymentIntents.create(paid, { ...key, stripeAccount: seller.id })
    expect(theirs.id).not.toBe(own.id)
    expect(local.requests.map(({ account }) => account)).toEqual([undefined, seller.id])
    local.limits = "sandbox"
    for (let call = 0; call < 25; call++)
      await stripe.charges.list({}, call % 2 ? { stripeAccount: seller.id } : {})
    expect(await refusal(stripe.charges.list({}, { stripeAccount: seller.id }))).toMatchObject({
      statusCode: 429,
    })
  })

  it("is driven from outside like the shop's own", async () => {
    const sepa = { ...paid, currency: "eur", payment_method: "pm_success_de" }
    const { id } = await stripe.paymentIntents.create(sepa, { stripeAccount: seller.id })
    expect(() => local.bank.settlePayment(id)).toThrow("No such payment_intent")
    expect(seller.bank.settlePayment(id).status).toBe("succeeded")
    expect(local.connectedAccount(seller.id).buyer.dispute(id).status).toBe("lost")
  })

  it("is made by the API too", async () => {
    const { id } = await stripe.accounts.create({ type: "express", email: "ada@example.com" })
    expect(await stripe.accounts.retrieve(id)).toMatchObject({ object: "account", email: "ada@example.com" })
    expect((await stripe.accounts.list()).data.map(({ id }) => id)).toEqual([id, seller.id])
    await stripe.paymentIntents.create(paid, { stripeAccount: id })
    expect(await refusal(stripe.accounts.create({}, { stripeAccount: id }))).toMatchObject({
      statusCode: 400,
    })
  })

  it("is there after a restart", async () => {
    const folder = await mkdtemp(join(tmpdir(), "stripe-local-"))
    onTestFinished(() => rm(folder, { recursive: true }))
    const stateFile = join(folder, "stripe.json")
    const first = await startStripeLocal({ stateFile })
    const { id } = first.connectAccount()
    const made = await first.client().paymentIntents.create(paid, { stripeAccount: id })
    await first.close()
    const second = await startStripeLocal({ stateFile })
    const found = await second.client().paymentIntents.retrieve(made.id, {}, { stripeAccount: id })
    expect(found).toEqual(made)
    await second.close()
  })
})

describe("events of connected accounts", () => {
  let shop: Shop
  let connect: Shop

  beforeEach(async () => {
    shop = await Shop.open()
    connect = await Shop.open()
  })
  afterEach(async () => {
    await shop.close()
    await connect.close()
  })

  it("go to the endpoints made for them, and no others do", async () => {
    local.addWebhookEndpoint({ url: shop.url })
    const { secret } = local.addWebhookEndpoint({ url: connect.url, connect: true })
    await stripe.paymentIntents.create(paid)
    await stripe.paymentIntents.create(paid, { stripeAccount: seller.id })
    await local.idle()
    expect(shop.received.map(({ event }) => event.account)).toEqual([undefined, undefined, undefined])
    expect(connect.verified(secret).map(({ account }) => account)).toEqual([seller.id, seller.id, seller.id])
    expect(seller.events.map(({ pending_webhooks }) => pending_webhooks)).toEqual([0, 0, 0])
  })

  it("go to an endpoint that the API has made, and again by hand", async () => {
    await stripe.webhookEndpoints.create({ url: connect.url, enabled_events: ["*"], connect: true })
    await stripe.customers.create()
    await stripe.customers.create({}, { stripeAccount: seller.id })
    await local.idle()
    await local.deliver(seller.events[0] as Stripe.Event)
    await local.deliver(seller.events[0]?.id ?? "")
    expect(connect.received.map(({ event }) => event.account)).toEqual([seller.id, seller.id, seller.id])
  })

  it("may share an address with the platform's", async () => {
    local.addWebhookEndpoint({ url: shop.url, secret: "whsec_own" })
    local.addWebhookEndpoint({ url: shop.url, secret: "whsec_connect", connect: true })
    await stripe.customers.create({}, { stripeAccount: seller.id })
    await local.idle()
    expect(shop.verified("whsec_connect")).toHaveLength(1)
  })
})
