import { MedusaError } from "@medusajs/framework/utils"
import fc from "fast-check"
import Stripe from "stripe"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { receiveEvents } from "../src/payments/inbox"
import { receivedOf, verifyWebhook } from "../src/webhook"
import { ALL, Tables } from "./tables"

const SECRET = "whsec_for_the_tests"
const options = { apiKey: "sk_test_1", webhookSecrets: [SECRET] }

const now = Math.floor(Date.now() / 1000)
const intent = (more: object = {}) => ({
  id: "pi_1",
  object: "payment_intent",
  status: "succeeded",
  amount: 1450,
  amount_capturable: 0,
  amount_received: 1450,
  created: now,
  currency: "usd",
  latest_charge: "ch_1",
  metadata: { items: "[]" },
  payment_method: "pm_1",
  payment_method_types: ["card"],
  receipt_email: "ada@shop.example",
  shipping: { name: "Ada Lovelace", phone: null, address: { line1: "1 Quay", country: "US" } },
  ...more,
})
const event = (more: object = {}, object: unknown = intent()) => ({
  id: "evt_1",
  object: "event",
  type: "payment_intent.succeeded",
  api_version: "2026-10-28.endive",
  created: now,
  livemode: false,
  data: { object },
  ...more,
})

function sign(body: string | Buffer): string {
  return Stripe.webhooks.generateTestHeaderString({ payload: body.toString(), secret: SECRET })
}

function verify(body: unknown, given: Partial<typeof options> = {}) {
  const json = Buffer.from(typeof body === "string" ? body : JSON.stringify(body))
  return verifyWebhook(json, sign(json), { ...options, ...given })
}

function refusalOf(body: unknown, given: Partial<typeof options> = {}): string {
  try {
    verify(body, given)
    return ""
  } catch (error) {
    expect((error as MedusaError).type).toBe(MedusaError.Types.INVALID_DATA)
    return (error as Error).message
  }
}

describe("a signed event", () => {
  it("is taken with all that Stripe may leave out or write out whole", () => {
    const whole = intent({
      latest_charge: { id: "ch_1", object: "charge" },
      payment_method: { id: "pm_1" },
      receipt_email: null,
      shipping: null,
      payment_method_types: undefined,
    })
    expect(verify(event({}, whole)).event.id).toBe("evt_1")
    expect(verify(event({ api_version: null, account: "acct_1" })).event.account).toBe("acct_1")
    const charge = { id: "ch_1", object: "charge", payment_intent: { id: "pi_1" } }
    expect(verify(event({ type: "charge.refunded" }, charge)).event.type).toBe("charge.refunded")
    expect(verify(event({ type: "charge.refunded" }, { ...charge, payment_intent: null }))).toBeTruthy()
  })

  it("of a type of which nothing is read is accepted with any object", () => {
    const odd = { id: 7, amount: 1e300, metadata: null }
    expect(verify(event({ type: "issuing_card.created" }, odd)).event.type).toBe("issuing_card.created")
  })

  it.each<[string, unknown, string]>([
    ["is a list", [], "it must be an object"],
    ["is null", null, "it must be an object"],
    ["is empty", {}, "id must be an id (evt_…)"],
    ["has an object for an id", event({ id: {} }), "id must be an id (evt_…)"],
    ["has an endless id", event({ id: `evt_${"x".repeat(9999)}` }), "id must be an id"],
    ["has a NUL in its id", event({ id: "evt_\u0000" }), "id must be an id"],
    ["is no event", event({ object: "charge" }), 'object must be "event"'],
    ["has no type", event({ type: null }), "type must be text"],
    ["has an odd version", event({ api_version: 5 }), "api_version must be text"],
    ["was made at x", event({ created: "x" }), "created must be whole seconds"],
    ["was made in a far future", event({ created: 1e18 }), "created must be"],
    ["tells milliseconds", event({ created: Date.now() }), "created must be seconds since 1970, not milli"],
    ["has no livemode", event({ livemode: undefined }), "livemode must be true or false"],
    ["has an odd account", event({ account: 5 }), "account must be an id (acct_…)"],
    ["has no data", event({ data: null }), "data must be an object"],
    ["has no object", event({}, null), "data.object must be an object"],
    ["is about a list", event({}, []), "data.object must be an object"],
    ["is about a customer", event({}, { id: "cus_1", object: "customer" }), "data.object.object must be"],
    ["has a number for the payment", event({}, intent({ id: 5 })), "data.object.id must be an id (pi_…)"],
    ["has a path for the payment", event({}, intent({ id: "pi_/../refunds" })), "must be an id (pi_…)"],
    ["is of 1e300", event({}, intent({ amount: 1e300 })), "data.object.amount must be a whole number"],
    ["is of less than nothing", event({}, intent({ amount_received: -5 })), "must not be negative"],
    ["has no metadata", event({}, intent({ metadata: null })), "data.object.metadata must be an object"],
    ["has deep metadata", event({}, intent({ metadata: { cart_id: {} } })), "metadata.cart_id must be text"],
    ["is in no currency", event({}, intent({ currency: null })), "data.object.currency must be a currency"],
    ["is in an odd currency", event({}, intent({ currency: "zzzzzz" })), "must be a currency such as usd"],
    [
      "has an odd charge",
      event({}, intent({ latest_charge: { id: 5 } })),
      "data.object.latest_charge must be",
    ],
    [
      "has text for an address",
      event({}, intent({ shipping: "x" })),
      "data.object.shipping must be an object",
    ],
    [
      "is of a charge of a payment 4",
      event({ type: "charge.refunded" }, { id: "ch_1", object: "charge", payment_intent: 4 }),
      "data.object.payment_intent must be an id, or an object with one",
    ],
    ["is no JSON", "{", "its JSON can't be read"],
    ["is nested by the hundred thousand", `{"a":"\\u0000","x":${"[".repeat(2e5)}${"]".repeat(2e5)}}`, "JSON"],
  ])("that %s is refused, and told what is wrong", (_, body, words) => {
    expect(refusalOf(body)).toContain(words)
  })

  it("tells none of its values when it is refused", () => {
    const private_ = intent({
      receipt_email: { private: "ada" },
      currency: "secret",
      client_secret: "secret",
    })
    expect(refusalOf(event({}, private_))).not.toMatch(/ada|secret/)
  })

  it("that is thin is told how Stripe sends whole ones", () => {
    const thin = {
      id: "evt_test_1",
      object: "v2.core.event",
      type: "v1.payment_intent.succeeded",
      created: new Date().toISOString(),
      livemode: false,
    }
    expect(refusalOf(thin)).toMatch(/thin event .*"Snapshot"/)
  })

  it.each([
    ["test", "sk_live_1", false],
    ["test", "rk_live_1", false],
    ["live", "sk_test_1", true],
    ["live", "rk_test_1", true],
  ])("of %s mode is refused with the key %s", (mode, apiKey, livemode) => {
    expect(refusalOf(event({ livemode }), { apiKey })).toMatch(
      new RegExp(`^This is a ${mode} event, but apiKey`),
    )
  })

  it.each([
    ["sk_live_1", true],
    ["rk_test_1", false],
    ["sk_of_another_kind", true],
    ["sk_of_another_kind", false],
  ])("is taken with the key %s where livemode is %s", (apiKey, livemode) => {
    expect(verify(event({ livemode }), { apiKey }).event.livemode).toBe(livemode)
  })
})

/** Thousands of absurd requests; a nightly run asks for more. */
const RUNS = Number(process.env.HOLDFAST_RUNS ?? 4_000)

const PATHS = [
  ...["id", "object", "type", "api_version", "created", "livemode", "account", "data", "data.object"],
  ...Object.keys(intent({ invoice: 0, payment_details: 0 })).map((key) => `data.object.${key}`),
  "data.object.metadata.items",
  "data.object.metadata.\u0000",
  "data.object.shipping.name",
  "data.object.shipping.address",
  "data.object.shipping.address.line1",
  "data.object.payment_details.order_reference",
]

const TYPES = ["payment_intent.canceled", "charge.refunded", "charge.dispute.created", "customer.created"]

const absurd = fc.oneof(
  fc.constantFrom<unknown>(undefined, null, true, 0, -1, 0.5, 1e18, 1e300, 2 ** 53, "", "x", [], {}, [null]),
  fc.constantFrom<unknown>(
    "\u0000",
    "a\ud800",
    "x".repeat(3_000),
    { id: 5 },
    { id: "ch_\u0000" },
    "__proto__",
  ),
  fc.constantFrom<unknown>(...TYPES),
  fc.string({ unit: "binary" }),
  fc.jsonValue({ stringUnit: "binary" }),
)

/** An event with some of its fields changed to anything; each has ids of its own where they are left. */
function changedEvent(changes: [string, unknown][], n: number): unknown {
  const changed = structuredClone(event({ id: `evt_${n}` }, intent({ id: `pi_${n}` }))) as unknown
  for (const [path, value] of changes) {
    const keys = path.split(".")
    const last = keys.pop() as string
    const parent = keys.reduce<unknown>((at, key) => (at as Record<string, unknown> | null)?.[key], changed)
    if (typeof parent === "object" && parent !== null) {
      const own = structuredClone(value)
      Object.defineProperty(parent, last, {
        value: own,
        enumerable: true,
        configurable: true,
        writable: true,
      })
    }
  }
  return changed
}

describe("a request with any body", () => {
  let tables: Tables
  beforeAll(async () => {
    tables = await Tables.open(...ALL)
  })
  afterAll(() => tables?.close())

  /** Refused in words, or stored: there is nothing between. */
  async function storeOrRefuse(body: Buffer, header: string | string[] | undefined): Promise<void> {
    try {
      const received = receivedOf(verifyWebhook(body, header, options))
      await receiveEvents(tables.db, [received])
    } catch (error) {
      if (!(error instanceof MedusaError) || error.type !== MedusaError.Types.INVALID_DATA) {
        throw error
      }
      expect(error.message).toMatch(/^[A-Z].{10,}/s)
      expect(error.message).not.toContain(SECRET)
      expect(error.message.length).toBeLessThan(2_000)
    }
  }

  it(
    "and signed is refused in words, or can be stored",
    async () => {
      let n = 0
      const changes = fc.array(fc.tuple(fc.constantFrom(...PATHS), absurd), { minLength: 1, maxLength: 3 })
      await fc.assert(
        fc.asyncProperty(changes, async (changed) => {
          const body = Buffer.from(JSON.stringify(changedEvent(changed, ++n)))
          await storeOrRefuse(body, sign(body))
        }),
        { numRuns: RUNS },
      )
      expect(await tables.rows("SELECT id FROM stripe_event WHERE id !~ '^evt_[A-Za-z0-9_-]+$'")).toEqual([])
      expect(await tables.rows("SELECT id FROM stripe_payment WHERE id !~ '^pi_[A-Za-z0-9_-]+$'")).toEqual([])
    },
    60_000 + RUNS * 10,
  )

  it("with a signature of another secret is refused, and nothing is stored", async () => {
    await tables.empty()
    const bodies = fc.oneof(fc.uint8Array({ minLength: 1 }), fc.constant(JSON.stringify(event())))
    const headers = fc.oneof(
      fc.string(),
      fc.constantFrom(
        undefined,
        ["t=1,v1=a"],
        "t=1",
        "v1=a",
        `t=${now},v1=${"0".repeat(64)}`,
        `t=${now},v1=`,
      ),
      fc.constantFrom(
        `t=${now}`,
        "t=1e300,v1=1",
        "t=-1,v1=\u0000",
        sign("{}"),
        sign("[]"),
        `${sign("{}")},${sign("[]")}`,
      ),
    )
    await fc.assert(
      fc.asyncProperty(bodies, headers, async (body, header) => {
        await storeOrRefuse(Buffer.from(body as string), header)
      }),
      { numRuns: RUNS },
    )
    expect(await tables.rows("SELECT id FROM stripe_event")).toEqual([])
  })
})
