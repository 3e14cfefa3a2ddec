import fc from "fast-check"
import Stripe from "stripe"
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { closeShops } from "../setup/shop.ts"
import { StripeShop, WEBHOOK_SECRET } from "./stripe-shop.ts"

const NEXT_SECRET = "whsec_the_next_one"
/** Over HTTP; ten times as many are tried without it, in the plugin's own tests. */
const RUNS = Math.ceil(Number(process.env.HOLDFAST_RUNS ?? 3_000) / 10)
const stripe = new Stripe("sk_test_unused")

describe("POST /hooks/stripe", () => {
  let shop: StripeShop
  beforeAll(async () => {
    shop = await StripeShop.open({ STRIPE_WEBHOOK_SECRET: `${WEBHOOK_SECRET},${NEXT_SECRET}` })
  })
  afterAll(() => shop?.close())
  afterAll(closeShops)

  let stored: number
  beforeEach(async () => {
    stored = await shop.count("stripe_event")
  })

  interface Delivery {
    secret?: string
    age?: number
    signature?: string | null
    body?: string
    contentType?: string
  }

  let events = 0
  const event = (type = "customer.created", object: Record<string, unknown> = { id: "cus_1" }) =>
    JSON.stringify({
      id: `evt_test_${++events}`,
      object: "event",
      type,
      api_version: "2020-08-27",
      created: 1_700_000_000,
      livemode: false,
      data: { object },
    })
  const intent = (id: string, more: object = {}) => ({
    id,
    object: "payment_intent",
    status: "succeeded",
    amount: 1450,
    amount_capturable: 0,
    amount_received: 1450,
    created: 1_700_000_000,
    currency: "usd",
    metadata: {},
    ...more,
  })

  async function deliver(delivery: Delivery = {}) {
    const { secret = WEBHOOK_SECRET, age = 0, body = event(), contentType = "application/json" } = delivery
    const timestamp = Math.floor(Date.now() / 1000) - age
    const signed = stripe.webhooks.generateTestHeaderString({ payload: body, secret, timestamp })
    const signature = delivery.signature === undefined ? signed : delivery.signature
    const response = await fetch(`${shop.url}/hooks/stripe`, {
      method: "POST",
      headers: {
        "content-type": contentType,
        // The shop closes the connection of a body that it refuses to read: the next request may be on it by then.
        connection: "close",
        ...(signature === null ? {} : { "stripe-signature": signature }),
      },
      body,
    })
    return { status: response.status, message: JSON.stringify(await response.json()) }
  }

  it.each<[string, Delivery, number, string]>([
    ["without a signature", { signature: null }, 400, "Stripe-Signature header is missing"],
    ["with a signature that is none", { signature: "t=1,v1=nonsense" }, 400, "signature is not valid"],
    ["with an empty signature", { signature: "" }, 400, "signature"],
    ["signed with another secret", { secret: "whsec_stolen" }, 400, "signature is not valid"],
    ["signed more than 300 seconds ago", { age: 400 }, 400, "Timestamp outside the tolerance zone"],
    ["with a body that is no JSON", { body: "{" }, 400, "JSON"],
    ["without a body", { body: "" }, 400, "no JSON body"],
    [
      "above a megabyte",
      { body: event("customer.created", { id: "x".repeat(1_100_000) }) },
      413,
      "too large",
    ],
  ])("refuses a request %s, says why, and stores nothing", async (_, delivery, status, message) => {
    const answer = await deliver(delivery)
    expect(answer.message).toContain(message)
    expect(answer.status).toBe(status)
    expect(await shop.count("stripe_event")).toBe(stored)
  })

  it.each<[string, string, string]>([
    ["a list", "[]", "must be an object"],
    ["an object without anything", "{}", "id must be an id (evt_…)"],
    ["no object", event("payment_intent.succeeded").replace('{"id":"cus_1"}', "null"), "data.object must be"],
    [
      "an endless amount",
      event("payment_intent.succeeded", intent("pi_1", { amount: 1e300 })),
      "amount must be",
    ],
    [
      "no metadata",
      event("payment_intent.succeeded", intent("pi_1", { metadata: null })),
      "metadata must be",
    ],
  ])("refuses %s that Stripe signed, and says what is wrong with it", async (_, body, message) => {
    expect(await deliver({ body })).toEqual({ status: 400, message: expect.stringContaining(message) })
    expect(await shop.count("stripe_event")).toBe(stored)
  })

  it("refuses thin events, and says how Stripe sends whole ones", async () => {
    const type = "v1.payment_intent.succeeded"
    const related = { id: "pi_1", type: "payment_intent", url: "/v1/payment_intents/pi_1" }
    const [delivery] = await shop.stripe.deliverThin({ type, related })
    expect(delivery).toMatchObject({ status: 400, response: expect.stringContaining("Snapshot") })
    expect(await shop.count("stripe_event")).toBe(stored)
  })

  it("refuses an event of live mode, since its key is of test mode", async () => {
    const body = event().replace('"livemode":false', '"livemode":true')
    const refusal = "This is a live event, but apiKey is a key of test mode"
    expect(await deliver({ body })).toEqual({ status: 400, message: expect.stringContaining(refusal) })
    expect(await shop.count("stripe_event")).toBe(stored)
  })

  it(
    "answers any body with a reason, and neither crashes nor stores it",
    async () => {
      const bodies = fc.oneof(
        fc.json({ stringUnit: "binary" }),
        fc.string({ unit: "binary" }),
        fc.constantFrom(
          "",
          "[".repeat(50_000),
          `${"[".repeat(50_000)}${"]".repeat(50_000)}`,
          '"x"',
          "null",
          "\ufeff{}",
        ),
      )
      const contentType = fc.constantFrom(
        "application/json",
        "text/plain",
        "application/json; charset=utf-7",
        "x",
      )
      const signature = fc.option(fc.string({ unit: fc.constantFrom(..."t=,v1 0aé") }), { nil: undefined })
      await fc.assert(
        fc.asyncProperty(bodies, contentType, signature, async (body, contentType, signature) => {
          const { status, message } = await deliver({ body, contentType, signature })
          expect(status).toBeOneOf([400, 413, 415])
          expect(message).not.toContain("unknown_error")
        }),
        { numRuns: RUNS },
      )
      expect(await shop.count("stripe_event")).toBe(stored)
      expect((await deliver()).status).toBe(200)
    },
    60_000 + RUNS * 50,
  )

  it("refuses a body that was changed by one character after it was signed", async () => {
    const body = event()
    const signature = stripe.webhooks.generateTestHeaderString({ payload: body, secret: WEBHOOK_SECRET })
    expect((await deliver({ body: body.replace("cus_1", "cus_2"), signature })).status).toBe(400)
    expect(await shop.count("stripe_event")).toBe(stored)
  })

  it("never tells a secret", async () => {
    const { message } = await deliver({ secret: "whsec_stolen" })
    expect(message + shop.logs).not.toContain("whsec_")
  })

  it("tells nothing of an event that the database refuses, neither in the answer nor in the log", async () => {
    const id = "pi_refused"
    const secrets = {
      client_secret: `${id}_secret_of_the_buyer`,
      receipt_email: "private@shop.example",
    }
    const body = event("payment_intent.succeeded", intent(id, secrets))
    await shop.rows(
      "ALTER TABLE stripe_event ADD CONSTRAINT refuses CHECK (type NOT LIKE 'payment%') NOT VALID",
    )
    const { status, message } = await deliver({ body }).finally(() =>
      shop.rows("ALTER TABLE stripe_event DROP CONSTRAINT refuses"),
    )
    expect(status).toBe(500)
    expect(message).not.toMatch(/constraint|stripe_event/)
    const cause = /could not be stored: .*violates check constraint/
    await shop.until("the log to tell why", () => cause.test(shop.logs) || undefined)
    for (const told of [message, shop.logs]) {
      expect(told).not.toMatch(/_secret_of_the_buyer|private@|whsec_|evt_test_|jsonb_to_recordset/)
    }
    expect((await deliver({ body })).status).toBe(200)
    expect(await shop.count("stripe_payment WHERE id = $1", [id])).toBe(1)
  })

  it.each([WEBHOOK_SECRET, NEXT_SECRET])(
    "takes what either secret signed, while the secret is rotated",
    async (secret) => {
      expect((await deliver({ secret })).status).toBe(200)
      expect(await shop.count("stripe_event")).toBe(stored + 1)
    },
  )

  it("takes a signature of 200 seconds ago", async () => {
    expect((await deliver({ age: 200 })).status).toBe(200)
  })

  it("stores an event of a type that asks for nothing as ignored, whole", async () => {
    const body = event("customer.created", { id: "cus_kept" })
    expect((await deliver({ body })).status).toBe(200)
    const [row] = await shop.rows("SELECT * FROM stripe_event WHERE id = $1", [JSON.parse(body).id])
    expect(row).toMatchObject({
      status: "ignored",
      type: "customer.created",
      api_version: "2020-08-27",
      livemode: false,
    })
    expect(row?.payload).toBe(body)
    expect(await shop.count("stripe_payment WHERE id = 'cus_kept'")).toBe(0)
  })

  it("counts the deliveries of one event and stores it once, also when they come at the same moment", async () => {
    const body = event()
    const answers = await Promise.all(Array.from({ length: 10 }, () => deliver({ body })))
    expect(answers.map(({ status }) => status)).toEqual(Array(10).fill(200))
    const rows = await shop.rows("SELECT deliveries FROM stripe_event WHERE id = $1", [JSON.parse(body).id])
    expect(rows).toEqual([{ deliveries: 10 }])
  })

  it("keeps a payment that Stripe doesn't know for a person", async () => {
    const id = "pi_of_another_account"
    await deliver({ body: event("payment_intent.succeeded", intent(id)) })
    const [payment] = await shop.settled([id])
    expect(payment).toMatchObject({ status: "review", order_id: null })
    expect(payment?.reason).toContain("Stripe knows no such payment intent")
  })
})
