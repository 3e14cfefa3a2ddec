import Stripe from "stripe"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { type StripeLocal, startStripeLocal } from "../src/index.js"
import { refusal } from "./refusal.js"

const CAPTURE = "POST /v1/payment_intents/*/capture"
const key = { idempotencyKey: "capture_1" }

let local: StripeLocal
let stripe: Stripe
let id: string

beforeEach(async () => {
  local = await startStripeLocal()
  stripe = local.client()
  const intent = await stripe.paymentIntents.create({
    amount: 2000,
    currency: "usd",
    payment_method: "pm_card_visa",
    confirm: true,
    capture_method: "manual",
  })
  id = intent.id
})
afterEach(() => local.close())

const status = async () => (await stripe.paymentIntents.retrieve(id)).status

describe("a failing answer", () => {
  it.each([500, 503])("of %d before the work leaves everything as it was, also for the key", async (code) => {
    const fault = local.faults.next(CAPTURE, { status: code })
    const error = await refusal(stripe.paymentIntents.capture(id, {}, key))
    expect(error).toBeInstanceOf(Stripe.errors.StripeAPIError)
    expect(error).toMatchObject({ statusCode: code, rawType: "api_error" })
    expect((await fault.reached).path).toBe(`/v1/payment_intents/${id}/capture`)
    expect(await status()).toBe("requires_capture")
    expect((await stripe.paymentIntents.capture(id, {}, key)).status).toBe("succeeded")
  })

  it("of 500 after the work is what the key remembers from then on", async () => {
    local.faults.next(CAPTURE, { status: 500, when: "after" })
    await refusal(stripe.paymentIntents.capture(id, {}, key))
    expect(await status()).toBe("succeeded")
    const again = await refusal(stripe.paymentIntents.capture(id, {}, key))
    expect(again).toMatchObject({ statusCode: 500 })
    expect(again.headers?.["idempotent-replayed"]).toBe("true")
  })

  it("of 500 for what was begun is what the key remembers, though nothing was done", async () => {
    local.faults.next(CAPTURE, { status: 500, when: "during" })
    await refusal(stripe.paymentIntents.capture(id, {}, key))
    expect(await status()).toBe("requires_capture")
    const again = await refusal(stripe.paymentIntents.capture(id, {}, key))
    expect(again.headers?.["idempotent-replayed"]).toBe("true")
    expect((await stripe.paymentIntents.capture(id)).status).toBe("succeeded")
  })

  it("of 429 is a rate limit", async () => {
    local.faults.next("GET /v1/**", { status: 429, times: 2 })
    for (const call of [stripe.events.list(), stripe.charges.list()]) {
      const error = await refusal(call)
      expect(error).toBeInstanceOf(Stripe.errors.StripeRateLimitError)
      expect(error).toMatchObject({ statusCode: 429, code: "rate_limit" })
    }
    await stripe.events.list()
  })

  it("is got over by the official client's own retries", async () => {
    const fault = local.faults.next(CAPTURE, { status: 503, times: 2 })
    const patient = local.client({ maxNetworkRetries: 2 })
    expect((await patient.paymentIntents.capture(id)).status).toBe("succeeded")
    expect(fault.hits).toBe(2)
  })
})

describe("a held call", () => {
  it("before the work waits with nothing done, and goes on when it is released", async () => {
    const held = local.faults.next(CAPTURE, { hang: "before" })
    const capture = stripe.paymentIntents.capture(id, {}, key)
    expect(await held.reached).toMatchObject({ method: "POST", idempotencyKey: "capture_1" })
    expect(await status()).toBe("requires_capture")
    held.release()
    expect((await capture).status).toBe("succeeded")
  })

  it("before the work is never done when it is dropped", async () => {
    const held = local.faults.next(CAPTURE, { hang: "before" })
    const capture = stripe.paymentIntents.capture(id, {}, key)
    await held.reached
    // The client tries a cut connection once more by itself: that call is held as well, and cut.
    const second = local.faults.next(CAPTURE, { drop: "before" })
    held.drop()
    expect(await refusal(capture)).toBeInstanceOf(Stripe.errors.StripeConnectionError)
    await second.reached
    expect(await status()).toBe("requires_capture")
    expect((await stripe.paymentIntents.capture(id, {}, key)).status).toBe("succeeded")
  })

  it("after the work is done, seen by all, and replayed for its key", async () => {
    const held = local.faults.next(CAPTURE, { hang: "after" })
    const capture = stripe.paymentIntents.capture(id, {}, key)
    await held.reached
    expect(await status()).toBe("succeeded")
    expect(local.events.at(-1)?.type).toBe("payment_intent.succeeded")
    const replayed = await stripe.paymentIntents.capture(id, {}, key)
    expect(replayed.lastResponse.headers["idempotent-replayed"]).toBe("true")
    held.release()
    expect(await capture).toEqual(replayed)
  })

  it("whose client is gone goes on all the same", async () => {
    const held = local.faults.next(CAPTURE, { hang: "before" })
    const client = new AbortController()
    const capture = fetch(`${local.url}/v1/payment_intents/${id}/capture`, {
      method: "POST",
      headers: { Authorization: `Bearer ${local.apiKey}`, "Idempotency-Key": "capture_1" },
      signal: client.signal,
    })
    await held.reached
    client.abort()
    await expect(capture).rejects.toThrow("aborted")
    held.release()
    while (local.requests.find(({ path }) => path.endsWith("/capture"))?.status === undefined) {
      await new Promise(setImmediate)
    }
    expect(await status()).toBe("succeeded")
  })
})

describe("a cut connection", () => {
  it("after the work loses the answer and not the work", async () => {
    local.faults.next(CAPTURE, { drop: "after", times: 2 })
    const error = await refusal(stripe.paymentIntents.capture(id, {}, key))
    expect(error).toBeInstanceOf(Stripe.errors.StripeConnectionError)
    expect(await status()).toBe("succeeded")
    expect(local.requests.filter(({ dropped }) => dropped)).toHaveLength(2)
    expect((await stripe.paymentIntents.capture(id, {}, key)).status).toBe("succeeded")
  })
})

describe("a fault", () => {
  it("meets the first call that its function takes, and the one set first wins", async () => {
    const other = local.faults.next((request) => request.path.endsWith("_none"), { status: 500 })
    const first = local.faults.next(CAPTURE, { status: 501 })
    const second = local.faults.next(CAPTURE, { status: 502 })
    for (const code of [501, 502]) {
      expect((await refusal(stripe.paymentIntents.capture(id))).statusCode).toBe(code)
    }
    expect([other.hits, first.hits, second.hits]).toEqual([0, 1, 1])
  })

  it("that is removed meets no call", async () => {
    local.faults.next("POST /v1/**", { status: 500 }).remove()
    expect((await stripe.paymentIntents.capture(id)).status).toBe("succeeded")
  })

  it("ends with local Stripe: what is held is cut", async () => {
    const held = local.faults.next(CAPTURE, { hang: "before" })
    const capture = refusal(stripe.paymentIntents.capture(id))
    await held.reached
    await local.close()
    expect(await capture).toBeInstanceOf(Stripe.errors.StripeConnectionError)
    local = await startStripeLocal()
  })
})
