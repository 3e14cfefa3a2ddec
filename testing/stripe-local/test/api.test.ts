import Stripe from "stripe"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { type StripeLocal, startStripeLocal } from "../src/index.js"
import { refusal } from "./refusal.js"

let local: StripeLocal
let stripe: Stripe

beforeEach(async () => {
  local = await startStripeLocal({ apiKey: "sk_test_the_right_one" })
  stripe = local.client()
})
afterEach(() => local.close())

const usd = { amount: 2000, currency: "usd" }
const authorised = {
  ...usd,
  payment_method: "pm_card_visa",
  confirm: true,
  capture_method: "manual",
} as const

describe("every call", () => {
  it("needs the right API key", async () => {
    const other = new Stripe("sk_test_another_key", { ...local.clientOptions(), maxNetworkRetries: 0 })
    const error = await refusal(other.paymentIntents.create(usd))
    expect(error).toBeInstanceOf(Stripe.errors.StripeAuthenticationError)
    expect(error).toMatchObject({ statusCode: 401, rawType: "invalid_request_error" })
    expect(error.message).toBe("Invalid API Key provided: sk_test_*******_key")
    const bare = await fetch(`${local.url}/v1/payment_intents`)
    expect(bare.status).toBe(401)
    const basic = await fetch(`${local.url}/v1/payment_intents`, {
      headers: { Authorization: `Basic ${Buffer.from(`${local.apiKey}:`).toString("base64")}` },
    })
    expect(basic.status).toBe(200)
  })

  it("is answered with a request id and the version that it named", async () => {
    const { lastResponse } = await stripe.paymentIntents.create(usd, { idempotencyKey: "key_1" })
    expect(lastResponse).toMatchObject({
      requestId: expect.stringMatching(/^req_\w{24}$/),
      apiVersion: Stripe.API_VERSION,
      idempotencyKey: "key_1",
      statusCode: 200,
    })
  })

  it("to an unknown object or address is answered with 404", async () => {
    const missing = await refusal(stripe.paymentIntents.retrieve("pi_none"))
    expect(missing).toMatchObject({
      statusCode: 404,
      rawType: "invalid_request_error",
      code: "resource_missing",
      param: "intent",
      message: "No such payment_intent: 'pi_none'",
      doc_url: "https://stripe.com/docs/error-codes/resource-missing",
    })
    const unknown = await refusal(stripe.invoices.list())
    expect(unknown.statusCode).toBe(404)
    expect(unknown.message).toContain("Unrecognized request URL (GET: /v1/invoices)")
  })

  it("is in the log, with its key and its answer", async () => {
    const { id } = await stripe.paymentIntents.create(usd, { idempotencyKey: "key_1" })
    await refusal(stripe.paymentIntents.capture(id, {}, { idempotencyKey: "key_2" }))
    await stripe.paymentIntents.retrieve(id)
    expect(local.requests).toMatchObject([
      { method: "POST", path: "/v1/payment_intents", idempotencyKey: "key_1", status: 200 },
      { method: "POST", path: `/v1/payment_intents/${id}/capture`, idempotencyKey: "key_2", status: 400 },
      { method: "GET", path: `/v1/payment_intents/${id}`, idempotencyKey: undefined, status: 200 },
    ])
    expect(local.requests[0]?.params).toEqual({ amount: "2000", currency: "usd" })
  })
})

describe("an idempotency key", () => {
  it("replays the answer to the same parameters", async () => {
    const first = await stripe.paymentIntents.create(usd, { idempotencyKey: "key_1" })
    const again = await stripe.paymentIntents.create(
      { currency: "usd", amount: 2000 },
      { idempotencyKey: "key_1" },
    )
    expect(again).toEqual(first)
    expect(again.lastResponse.headers["idempotent-replayed"]).toBe("true")
    expect(again.lastResponse.headers["original-request"]).toBe(first.lastResponse.requestId)
    expect(first.lastResponse.headers["idempotent-replayed"]).toBeUndefined()
    expect((await stripe.paymentIntents.list()).data).toHaveLength(1)
    expect(local.requests.map(({ replayed }) => replayed)).toEqual([undefined, true, undefined])
  })

  it("replays the answer of its own time, not today's state", async () => {
    const intent = await stripe.paymentIntents.create(authorised, { idempotencyKey: "key_1" })
    await stripe.paymentIntents.capture(intent.id)
    const again = await stripe.paymentIntents.create(authorised, { idempotencyKey: "key_1" })
    expect(again.status).toBe("requires_capture")
  })

  it("makes a retried capture take the money once", async () => {
    const { id } = await stripe.paymentIntents.create(authorised)
    const capture = () => stripe.paymentIntents.capture(id, {}, { idempotencyKey: "capture_1" })
    const [first, second] = [await capture(), await capture()]
    expect(second).toEqual(first)
    expect(local.events.filter(({ type }) => type === "charge.captured")).toHaveLength(1)
  })

  it("is refused with other parameters and at another endpoint", async () => {
    const { id } = await stripe.paymentIntents.create(usd, { idempotencyKey: "key_1" })
    const calls = [
      stripe.paymentIntents.create({ ...usd, amount: 2001 }, { idempotencyKey: "key_1" }),
      stripe.paymentIntents.cancel(id, {}, { idempotencyKey: "key_1" }),
    ]
    for (const call of calls) {
      const error = await refusal(call)
      expect(error).toBeInstanceOf(Stripe.errors.StripeIdempotencyError)
      expect(error).toMatchObject({ statusCode: 400, rawType: "idempotency_error" })
      expect(error.message).toContain("Keys for idempotent requests can only be used")
    }
    expect((await stripe.paymentIntents.retrieve(id)).status).toBe("requires_payment_method")
  })

  it("is refused while its first request is under way", async () => {
    const { id } = await stripe.paymentIntents.create(authorised)
    const capture = () => stripe.paymentIntents.capture(id, {}, { idempotencyKey: "capture_1" })
    const held = local.faults.next("POST /v1/payment_intents/*/capture", { hang: "before" })
    const first = capture()
    await held.reached
    expect(await refusal(capture())).toMatchObject({
      statusCode: 409,
      code: "idempotency_key_in_use",
      rawType: "invalid_request_error",
    })
    held.release()
    expect((await first).status).toBe("succeeded")
    expect((await capture()).lastResponse.headers["idempotent-replayed"]).toBe("true")
  })

  it("lets the official client, which retries, come through to the answer", async () => {
    const { id } = await stripe.paymentIntents.create(authorised)
    const held = local.faults.next("POST /v1/payment_intents/*/capture", { hang: "before" })
    const key = { idempotencyKey: "capture_1" }
    const first = stripe.paymentIntents.capture(id, {}, key)
    await held.reached
    const second = local.client({ maxNetworkRetries: 5 }).paymentIntents.capture(id, {}, key)
    while (!local.requests.some(({ status }) => status === 409)) await new Promise(setImmediate)
    held.release()
    expect(await second).toEqual(await first)
  })

  it("remembers a refusal of the work, but not of malformed parameters", async () => {
    const { id } = await stripe.paymentIntents.create(usd)
    const key = { idempotencyKey: "key_1" }
    await refusal(stripe.paymentIntents.capture(id, {}, key))
    const again = await refusal(stripe.paymentIntents.capture(id, {}, key))
    expect(again.headers?.["idempotent-replayed"]).toBe("true")
    expect(again.code).toBe("payment_intent_unexpected_state")

    await refusal(stripe.paymentIntents.create({ ...usd, amount: -1 }, { idempotencyKey: "key_2" }))
    const mended = await stripe.paymentIntents.create(usd, { idempotencyKey: "key_2" })
    expect(mended.status).toBe("requires_payment_method")
  })

  it("remembers a declined card", async () => {
    const declined = { ...usd, payment_method: "pm_card_chargeDeclined", confirm: true }
    const key = { idempotencyKey: "key_1" }
    const first = await refusal(stripe.paymentIntents.create(declined, key))
    const again = await refusal(stripe.paymentIntents.create(declined, key))
    expect(again.payment_intent?.id).toBe(first.payment_intent?.id)
    expect((await stripe.paymentIntents.list()).data).toHaveLength(1)
  })
})
