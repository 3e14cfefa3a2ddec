import type Stripe from "stripe"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { type Limits, type StripeLocal, startStripeLocal } from "../src/index.js"
import { refusal } from "./refusal.js"

let now: number
let local: StripeLocal
let stripe: Stripe

beforeEach(async () => {
  now = 1_000
  local = await startStripeLocal({ clock: () => now })
  stripe = local.client()
})
afterEach(() => local.close())

const usd = { amount: 2000, currency: "usd" }
const manual = { ...usd, payment_method: "pm_card_visa", confirm: true, capture_method: "manual" } as const

/** Calls one after the other until one is refused: how many were let in, and the refusal. */
async function exhaust(calls: (() => Promise<unknown>)[]): Promise<{ admitted: number; error: StripeError }> {
  for (let admitted = 0; admitted < 2_000; admitted++) {
    const call = calls[admitted % calls.length] as () => Promise<unknown>
    const error = await call().then(
      () => undefined,
      (error) => error,
    )
    if (error) return { admitted, error }
  }
  throw new Error("No call was refused")
}

type StripeError = Stripe.errors.StripeError

const reason = ({ headers }: StripeError) => headers?.["stripe-rate-limited-reason"]

const list = () => stripe.paymentIntents.list()
/** Five endpoints: enough for the account's hundred before an endpoint's 25. */
const five = () => [
  list,
  () => stripe.charges.list(),
  () => stripe.refunds.list(),
  () => stripe.customers.list(),
  () => stripe.events.list(),
]

describe("without limits", () => {
  it("every call is let in", async () => {
    for (let call = 0; call < 120; call++) await list()
    expect(local.requests.every(({ status }) => status === 200)).toBe(true)
  })
})

describe("the account's limit", () => {
  it.each([
    { limits: "live", calls: 100, message: /^Request rate limit exceeded\./ },
    { limits: "sandbox", calls: 25, message: /^Testmode request rate limit exceeded,/ },
  ] as const)("is $calls requests a second in $limits", async ({ limits, calls, message }) => {
    local.limits = limits
    const { admitted, error } = await exhaust(five())
    expect(admitted).toBe(calls)
    expect(error).toMatchObject({
      type: "StripeRateLimitError",
      statusCode: 429,
      rawType: "invalid_request_error",
      code: "rate_limit",
      doc_url: "https://stripe.com/docs/error-codes/rate-limit",
      message: expect.stringMatching(message),
    })
    expect(reason(error)).toBe("global-rate")
  })

  it("is enforced from the start by the option", async () => {
    const limited = await startStripeLocal({ limits: "sandbox", clock: () => now })
    const { admitted } = await exhaust([() => limited.client().charges.list()])
    expect([limited.limits, admitted]).toEqual(["sandbox", 25])
    await limited.close()
  })

  it.each([undefined, "live"] as (Limits | undefined)[])("becomes %s at run time", async (limits) => {
    local.limits = "sandbox"
    await exhaust(five())
    local.limits = limits
    await list()
    expect(local.limits).toBe(limits)
  })
})

describe("an endpoint's limit", () => {
  it("is 25 requests a second, whatever the id in the path", async () => {
    const one = await stripe.paymentIntents.create(usd)
    const other = await stripe.paymentIntents.create(usd)
    local.limits = "live"
    const reads = [one, other].map(
      ({ id }) =>
        () =>
          stripe.paymentIntents.retrieve(id),
    )
    const { admitted, error } = await exhaust(reads)
    expect(admitted).toBe(25)
    expect(reason(error)).toBe("endpoint-rate")
  })

  it("leaves the other endpoints of the same path alone", async () => {
    local.limits = "live"
    await exhaust([list])
    const { id } = await stripe.paymentIntents.create(usd)
    await stripe.paymentIntents.retrieve(id)
  })

  it("does not spend the account's budget on what it refuses", async () => {
    local.limits = "live"
    await exhaust([list])
    for (let call = 0; call < 100; call++) await refusal(list())
    const { admitted, error } = await exhaust(five().slice(1))
    expect([admitted, reason(error)]).toEqual([75, "global-rate"])
  })
})

describe("the limit of one payment intent", () => {
  it("is 1,000 updates an hour", async () => {
    const { id } = await stripe.paymentIntents.create(usd)
    const other = await stripe.paymentIntents.create(usd)
    local.limits = "live"
    const update = () => {
      now += 40 // 25 a second
      return stripe.paymentIntents.update(id, { description: "again" })
    }
    const { admitted, error } = await exhaust([update])
    expect([admitted, reason(error)]).toEqual([1_000, "resource-specific"])
    await stripe.paymentIntents.update(other.id, { description: "once" })
    now += 60 * 60 * 1_000
    await update()
  })
})

describe("a second", () => {
  it("is over when the oldest call is a second ago", async () => {
    local.limits = "sandbox"
    await list()
    now += 400
    for (let call = 0; call < 24; call++) await list()
    now += 599
    await refusal(list())
    now += 1 // a second after the first call, and 600 ms after the others
    await list()
    await refusal(list())
    now += 400
    const { admitted } = await exhaust([list])
    expect(admitted).toBe(24)
  })
})

describe("a refused call", () => {
  beforeEach(() => {
    local.limits = "sandbox"
  })

  it("says neither when to retry nor whether to, and is not retried by the official client", async () => {
    await exhaust([list])
    const patient = local.client({ maxNetworkRetries: 3 })
    const before = local.requests.length
    const error = await refusal(patient.paymentIntents.list())
    expect(error.headers).not.toHaveProperty("retry-after")
    expect(error.headers).not.toHaveProperty("stripe-should-retry")
    expect(local.requests).toHaveLength(before + 1)
  })

  it("changes nothing and emits no event", async () => {
    const { id } = await stripe.paymentIntents.create(manual)
    await exhaust([list])
    const events = local.events.length
    await refusal(stripe.paymentIntents.capture(id))
    expect(local.events).toHaveLength(events)
    expect(await local.driver().paymentIntents.retrieve(id)).toMatchObject({ status: "requires_capture" })
  })

  it("leaves its idempotency key unused", async () => {
    await exhaust([list])
    const create = (amount: number) =>
      stripe.paymentIntents.create({ ...usd, amount }, { idempotencyKey: "order_1" })
    await refusal(create(1))
    now += 1_000
    const made = await create(2) // other parameters: an idempotency_error, had the key been used
    expect(made.amount).toBe(2)
    expect(made.lastResponse.headers).not.toHaveProperty("idempotent-replayed")
  })

  it("meets no fault", async () => {
    const fault = local.faults.next("POST /v1/refunds", { status: 503 })
    await exhaust([list])
    await refusal(stripe.refunds.create({ charge: "ch_none" }))
    expect(fault.hits).toBe(0)
  })

  it("is marked in the requests, and a fault's 429 is not", async () => {
    await exhaust([list])
    local.limits = undefined
    local.faults.next("GET /v1/charges", { status: 429 })
    const error = await refusal(stripe.charges.list())
    expect(reason(error)).toBe("global-rate")
    const [refused, failed] = local.requests.slice(-2)
    expect(refused).toMatchObject({ status: 429, limitedBy: "global-rate" })
    expect(failed?.status).toBe(429)
    expect(failed?.limitedBy).toBeUndefined()
  })
})

describe("what does not count", () => {
  beforeEach(() => {
    local.limits = "sandbox"
  })

  it("the driver's calls", async () => {
    const driver = local.driver()
    for (let call = 0; call < 60; call++) await driver.paymentIntents.list()
    const { admitted } = await exhaust([list])
    expect(admitted).toBe(25)
    await driver.paymentIntents.list()
    expect(local.requests.filter(({ driver }) => driver)).toHaveLength(61)
  })

  it("calls with a wrong key", async () => {
    for (let call = 0; call < 30; call++) await fetch(`${local.url}/v1/charges`)
    await list()
  })
})
