import Stripe from "stripe"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { type StripeLocal, startStripeLocal, unruly } from "../src/index.js"
import { Shop, verify } from "./shop.js"

let local: StripeLocal
let shop: Shop
let endpoint: { id: string; secret: string }

beforeEach(async () => {
  shop = await Shop.open()
  local = await startStripeLocal({ retryDelays: [5, 10, 20], deliveryTimeout: 1000 })
  endpoint = local.addWebhookEndpoint({ url: shop.url })
})
afterEach(async () => {
  await local.close()
  await shop.close()
})

function pay(metadata: Record<string, string> = {}) {
  const card = { payment_method: "pm_card_visa", confirm: true }
  return local.client().paymentIntents.create({ amount: 2000, currency: "usd", metadata, ...card })
}

describe("delivery", () => {
  it("sends each event once, signed so that the official package accepts it", async () => {
    const intent = await pay({ cart_id: "cart_1" })
    await local.idle()
    const events = shop.verified(endpoint.secret)
    expect(events.map(({ type }) => type).sort()).toEqual([
      "charge.succeeded",
      "payment_intent.created",
      "payment_intent.succeeded",
    ])
    const paid = events.find(({ type }) => type === "payment_intent.succeeded")
    expect(paid).toMatchObject({
      object: "event",
      livemode: false,
      pending_webhooks: 1,
      data: { object: { id: intent.id, status: "succeeded", metadata: { cart_id: "cart_1" } } },
    })
    expect(paid?.request?.id).toBe(intent.lastResponse.requestId)
    expect(local.deliveries).toHaveLength(3)
    expect(local.deliveries.every(({ status, attempt }) => status === 200 && attempt === 1)).toBe(true)
  })

  it("snapshots the object as it was when the event came about", async () => {
    await pay()
    await local.idle()
    const created = shop.received.find(({ event }) => event.type === "payment_intent.created")
    expect(created?.event.data.object).toMatchObject({ status: "requires_confirmation", amount_received: 0 })
  })

  it("is refused by the official package under another secret", async () => {
    await pay()
    await local.idle()
    expect(() => shop.verified("whsec_other")).toThrow("No signatures found matching")
  })

  it("only of the types that the endpoint takes", async () => {
    local.addWebhookEndpoint({ url: shop.url, enabledEvents: ["payment_intent.succeeded"] })
    await pay()
    await local.idle()
    expect(shop.types).toEqual(["payment_intent.succeeded"])
  })

  it("signs with the old and the new secret while it is being rolled", async () => {
    const secret = local.rollWebhookSecret(endpoint.id)
    await pay()
    await local.idle()
    expect(shop.verified(secret)).toHaveLength(3)
    expect(shop.verified(endpoint.secret)).toHaveLength(3)
    local.rollWebhookSecret(endpoint.id, { secret: "whsec_fixed", expireOld: true })
    await pay()
    await local.idle()
    expect(() => shop.verified(secret)).toThrow()
  })

  it("goes to several endpoints, and counts those still to be reached", async () => {
    const other = await Shop.open()
    local.addWebhookEndpoint({ url: other.url, secret: "whsec_other" })
    await pay()
    await local.idle()
    expect(other.verified("whsec_other").map(({ pending_webhooks }) => pending_webhooks)).toEqual([2, 2, 2])
    const { data } = await local.client().events.list()
    expect(data.map(({ pending_webhooks }) => pending_webhooks)).toEqual([0, 0, 0])
    await other.close()
  })

  it("keeps many in flight at once", async () => {
    const open: (() => void)[] = []
    for (let n = 0; n < 30; n += 1) {
      shop.answers.push((response) => open.push(() => response.end()))
    }
    await Promise.all(Array.from({ length: 10 }, () => pay()))
    await shop.arrived(30)
    expect(open).toHaveLength(30)
    for (const answer of open) answer()
    await local.idle()
    expect(local.deliveries.filter(({ status }) => status === 200)).toHaveLength(30)
  })
})

describe("retry", () => {
  beforeEach(() => {
    local.addWebhookEndpoint({
      url: shop.url,
      secret: "whsec_one",
      enabledEvents: ["payment_intent.succeeded"],
    })
  })

  it("comes after an answer that is not 2xx, with a signature of its own", async () => {
    shop.answers.push(500, 302)
    await pay()
    await local.idle()
    expect(local.deliveries.map(({ attempt, status }) => [attempt, status])).toEqual([
      [1, 500],
      [2, 302],
      [3, 200],
    ])
    const ids = shop.verified("whsec_one").map(({ id }) => id)
    expect(new Set(ids).size).toBe(1)
  })

  it("comes after a time-out and after a cut connection", async () => {
    shop.answers.push(
      () => {},
      (response) => response.destroy(),
    )
    await pay()
    await local.idle()
    expect(local.deliveries.map(({ status, error }) => status ?? error)).toEqual([
      "timed out after 1000 ms",
      "socket hang up",
      200,
    ])
  })

  it("ends when all tries have failed, and the event stays undelivered", async () => {
    shop.answers.push(500, 500, 500, 500)
    await pay()
    await local.idle()
    expect(local.deliveries.map(({ attempt }) => attempt)).toEqual([1, 2, 3, 4])
    const undelivered = await local.client().events.list({ delivery_success: false })
    expect(undelivered.data.map(({ type }) => type)).toEqual(["payment_intent.succeeded"])
  })

  it("ends when the endpoint is disabled", async () => {
    shop.answers.push((response) => {
      void local
        .client()
        .webhookEndpoints.list()
        .then(({ data }) => local.client().webhookEndpoints.update(String(data[0]?.id), { disabled: true }))
        .then(() => response.writeHead(500).end())
    })
    await pay()
    await local.idle()
    expect(local.deliveries).toHaveLength(1)
  })
})

describe("a delivery policy", () => {
  it("delivers another API version's event, or a connected account's, in its place", async () => {
    const other = { api_version: "2020-08-27", account: "acct_connected" }
    local.delivery = { rewrite: (event) => Object.assign(event, other) }
    shop.answers.push(500) // rewritten again for the second try
    await pay()
    await local.idle()
    const events = shop.verified(endpoint.secret)
    expect(events).toHaveLength(4)
    for (const event of events) expect(event).toMatchObject(other)
    for (const event of local.events) expect(event.api_version).toBe(Stripe.API_VERSION)
    expect(local.events.map(({ account }) => account)).toEqual([undefined, undefined, undefined])
  })

  it("delivers twice", async () => {
    local.delivery = { duplicate: ({ type }) => (type === "payment_intent.succeeded" ? 2 : 0) }
    await pay()
    await local.idle()
    const copies = local.deliveries.filter(({ type }) => type === "payment_intent.succeeded")
    expect(copies.map(({ copy }) => copy).sort()).toEqual([0, 1, 2])
    expect(new Set(copies.map(({ event }) => event)).size).toBe(1)
  })

  it("delivers late", async () => {
    local.delivery = { delay: ({ type }) => (type === "payment_intent.created" ? 50 : 0) }
    await pay()
    await local.idle()
    expect(shop.types.at(-1)).toBe("payment_intent.created")
  })

  it("holds events back until they are released in another order", async () => {
    local.delivery = { hold: () => true }
    await pay()
    await local.idle()
    expect(shop.received).toEqual([])
    expect(local.held.map(({ type }) => type)).toEqual([
      "payment_intent.created",
      "charge.succeeded",
      "payment_intent.succeeded",
    ])
    shop.answers.push(500)
    void local.releaseHeld((events) => events.reverse())
    expect(local.held).toEqual([])
    await local.idle()
    expect(shop.types).toEqual([
      "payment_intent.succeeded",
      "payment_intent.succeeded",
      "charge.succeeded",
      "payment_intent.created",
    ])
  })

  it("is unruly in the same way for the same seed", () => {
    const choices = (seed: number) => {
      const { duplicate, delay } = unruly({ seed, twice: 0.5, late: 0.5, lateBy: 1000, shuffle: 100 })
      const event = {} as Parameters<NonNullable<typeof delay>>[0]
      return Array.from({ length: 50 }, () => [duplicate?.(event), delay?.(event, 0)])
    }
    expect(choices(1)).toEqual(choices(1))
    expect(choices(1)).not.toEqual(choices(2))
    const twice = choices(1).filter(([copies]) => copies === 1).length
    expect(twice).toBeGreaterThan(10)
    expect(twice).toBeLessThan(40)
  })

  it("unruly loses nothing", async () => {
    local.delivery = unruly({ seed: 7, twice: 0.5, late: 0.3, lateBy: 30, shuffle: 20 })
    await Promise.all(Array.from({ length: 20 }, () => pay()))
    await local.idle()
    const delivered = new Set(shop.verified(endpoint.secret).map(({ id }) => id))
    expect(delivered.size).toBe(60)
    expect(shop.received.length).toBeGreaterThan(60)
  })
})

describe("delivery by hand", () => {
  let event: string
  beforeEach(async () => {
    local.delivery = { hold: () => true }
    await pay()
    event = String(local.held.at(-1)?.id)
  })

  it("answers with what the shop said, and doesn't try again", async () => {
    shop.answers.push((response) => response.writeHead(400).end("bad signature"))
    const [delivery] = await local.deliver(event)
    expect(delivery).toMatchObject({ event, status: 400, response: "bad signature", attempt: 1 })
    await local.idle()
    expect(shop.received).toHaveLength(1)
  })

  it("sends the same event many times at once", async () => {
    const deliveries = await local.deliver(event, { times: 10 })
    expect(deliveries).toHaveLength(10)
    expect(new Set(shop.verified(endpoint.secret).map(({ id }) => id))).toEqual(new Set([event]))
  })

  it("bends what was signed: the body, the time, the secret, the header", async () => {
    await local.deliver(event, {
      tamper: (request) => ({ ...request, body: request.body.replaceAll("2000", "1") }),
    })
    await local.deliver(event, { timestamp: Math.floor(Date.now() / 1000) - 301 })
    await local.deliver(event, { secrets: ["whsec_forged"] })
    await local.deliver(event, {
      tamper: ({ headers: { "Stripe-Signature": _, ...headers }, ...request }) => ({ ...request, headers }),
    })
    const complaints = shop.received.map(({ body, signature }) => {
      try {
        verify(body, signature, endpoint.secret)
        return "accepted"
      } catch (error) {
        return (error as Error).message.split(/[.?]/)[0]
      }
    })
    expect(complaints).toEqual([
      "No signatures found matching the expected signature for payload",
      "Timestamp outside the tolerance zone",
      "No signatures found matching the expected signature for payload",
      "Unable to extract timestamp and signatures from header",
    ])
  })

  it("takes an event that local Stripe never made", async () => {
    const known = local.held[0]
    if (!known) throw new Error("no event")
    const made = {
      ...known,
      id: "evt_made",
      type: "customer.subscription.created",
      api_version: "2019-01-01",
    }
    await local.deliver(made as typeof known)
    expect(shop.verified(endpoint.secret)[0]).toMatchObject({ id: "evt_made", api_version: "2019-01-01" })
  })

  it("of an unknown event is refused", async () => {
    await expect(local.deliver("evt_none")).rejects.toThrow("No such event: evt_none")
  })
})
