import Stripe from "stripe"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { type StripeLocal, startStripeLocal } from "../src/index.js"
import { refusal } from "./refusal.js"

let local: StripeLocal
let stripe: Stripe

beforeEach(async () => {
  local = await startStripeLocal()
  stripe = local.client()
  for (const amount of [100, 200, 300]) {
    const card = { payment_method: "pm_card_visa", confirm: true }
    await stripe.paymentIntents.create(
      { amount, currency: "usd", ...card },
      { idempotencyKey: `pay_${amount}` },
    )
  }
})
afterEach(() => local.close())

const ids = (list: { data: { id: string }[] }) => list.data.map(({ id }) => id)

it("an event tells what happened, and of which call", async () => {
  const made = local.events[0] as Stripe.Event
  const event = await stripe.events.retrieve(made.id)
  expect(event).toEqual(made)
  expect(event).toMatchObject({
    object: "event",
    api_version: Stripe.API_VERSION,
    livemode: false,
    pending_webhooks: 0,
    type: "payment_intent.created",
    request: { id: local.requests[0]?.id, idempotency_key: "pay_100" },
  })
  expect(Math.abs(event.created - Date.now() / 1000)).toBeLessThan(30)
  expect(await refusal(stripe.events.retrieve("evt_none"))).toMatchObject({ statusCode: 404 })
})

describe("the list of events", () => {
  it("has the newest first, page by page", async () => {
    const all = local.events.map(({ id }) => id).reverse()
    const first = await stripe.events.list({ limit: 4 })
    expect([ids(first), first.has_more]).toEqual([all.slice(0, 4), true])
    const second = await stripe.events.list({ limit: 4, starting_after: first.data[3]?.id })
    expect(ids(second)).toEqual(all.slice(4, 8))
    const last = await stripe.events.list({ limit: 4, starting_after: second.data[3]?.id })
    expect([ids(last), last.has_more]).toEqual([all.slice(8), false])
  })

  it("goes back to newer ones, the nearest first to be taken", async () => {
    const all = local.events.map(({ id }) => id).reverse()
    const page = await stripe.events.list({ limit: 2, ending_before: all[5] })
    expect([ids(page), page.has_more]).toEqual([all.slice(3, 5), true])
    const newest = await stripe.events.list({ ending_before: all[0] })
    expect([ids(newest), newest.has_more]).toEqual([[], false])
  })

  it("is narrowed by type, several types, and kinds of them", async () => {
    const of = async (query: Stripe.EventListParams) =>
      new Set((await stripe.events.list(query)).data.map(({ type }) => type))
    expect(await of({ type: "payment_intent.succeeded" })).toEqual(new Set(["payment_intent.succeeded"]))
    expect(await of({ type: "charge.*" })).toEqual(new Set(["charge.succeeded"]))
    expect(await of({ types: ["payment_intent.created", "charge.succeeded"] })).toEqual(
      new Set(["payment_intent.created", "charge.succeeded"]),
    )
    const paid = await stripe.events.list({ type: "payment_intent.succeeded", limit: 2 })
    expect([paid.data.length, paid.has_more]).toEqual([2, true])
  })

  it("is narrowed by time", async () => {
    const now = Math.floor(Date.now() / 1000)
    expect((await stripe.events.list({ created: { gte: now - 60 } })).data).toHaveLength(9)
    expect((await stripe.events.list({ created: { gt: now + 60 } })).data).toEqual([])
    expect((await stripe.events.list({ created: { lt: now - 60 } })).data).toEqual([])
  })

  it("goes back thirty days", async () => {
    const [oldest, next] = local.events as [Stripe.Event, Stripe.Event]
    const thirtyDays = 30 * 24 * 60 * 60
    oldest.created -= thirtyDays + 1
    next.created -= thirtyDays - 60
    expect(ids(await stripe.events.list())).toEqual(
      local.events
        .slice(1)
        .map(({ id }) => id)
        .reverse(),
    )
    expect(await refusal(stripe.events.retrieve(oldest.id))).toMatchObject({
      statusCode: 404,
      code: "resource_missing",
    })
    expect((await stripe.events.retrieve(next.id)).id).toBe(next.id)
  })

  it("pages through what several filters leave", async () => {
    const paid = local.events.filter(({ type }) => type === "payment_intent.succeeded").map(({ id }) => id)
    const query = {
      types: ["payment_intent.succeeded", "payment_intent.canceled"],
      created: { gte: (local.events[0]?.created ?? 0) - 1, lte: Math.floor(Date.now() / 1000) + 1 },
      limit: 2,
    }
    const first = await stripe.events.list(query)
    expect([ids(first), first.has_more]).toEqual([paid.slice(1).reverse(), true])
    const rest = await stripe.events.list({ ...query, starting_after: first.data[1]?.id })
    expect([ids(rest), rest.has_more]).toEqual([paid.slice(0, 1), false])
    const back = await stripe.events.list({ ...query, ending_before: rest.data[0]?.id })
    expect(ids(back)).toEqual(ids(first))
  })

  it("takes type or types, and no more than twenty", async () => {
    const both = stripe.events.list({ type: "charge.succeeded", types: ["charge.failed"] })
    expect(await refusal(both)).toMatchObject({ statusCode: 400, param: "types" })
    const many = stripe.events.list({ types: Array.from({ length: 21 }, () => "charge.failed") })
    expect(await refusal(many)).toMatchObject({ statusCode: 400, param: "types" })
  })

  it("is read on the shop's budget", async () => {
    local.limits = "sandbox"
    for (let call = 0; call < 25; call++) await stripe.events.list()
    expect(await refusal(stripe.events.list())).toMatchObject({ statusCode: 429 })
    expect(await refusal(stripe.paymentIntents.list())).toMatchObject({ statusCode: 429 })
  })

  it("refuses a cursor or a limit that makes no sense", async () => {
    expect(await refusal(stripe.events.list({ starting_after: "evt_none" }))).toMatchObject({
      code: "resource_missing",
      param: "starting_after",
    })
    expect(await refusal(stripe.events.list({ limit: 101 }))).toMatchObject({ param: "limit" })
  })
})
