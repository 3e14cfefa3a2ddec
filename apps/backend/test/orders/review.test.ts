import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { closeShops } from "../setup/shop.ts"
import { HOT, StripeShop } from "./stripe-shop.ts"

const MUG = [{ sku: "MUG", quantity: 1 }]

describe("a payment that waits for a person", () => {
  let shop: StripeShop
  beforeAll(async () => {
    shop = await StripeShop.open({ HOLDFAST_MAX_ATTEMPTS: "2" })
  })
  afterAll(() => shop?.close())
  afterAll(closeShops)

  /** Stripe fails at this, however often it is asked. */
  const broken = (call: string) =>
    shop.stripe.faults.next(call, { status: 500, times: Number.POSITIVE_INFINITY })
  const retry = (id: string) => shop.admin("POST", `/admin/stripe-payments/${id}/retry`)
  const onReview = async (intent: string) => {
    const [payment] = await shop.settled([intent])
    expect(payment?.status).toBe("review")
    return payment
  }
  /** Sold out, and Stripe would not give the money back. */
  const keptWithoutStock = async () => {
    await shop.putStock(HOT, 0)
    const fault = broken("POST /v1/refunds")
    const intent = await shop.pay({ items: [{ sku: HOT, quantity: 1 }] })
    await onReview(intent)
    fault.remove()
    return intent
  }

  it("is one that failed as often as it may, and becomes its order when it is taken up again", async () => {
    const fault = broken("GET /v1/payment_intents/*")
    shop.sendOldEvents()
    const intent = await shop.pay({ items: MUG })
    const payment = await onReview(intent)
    expect(payment?.reason).toMatch(/^gave up after 2 attempts: /)
    const { stripe_payments, count } = await shop.admin("GET", "/admin/stripe-payments?status=review")
    expect(count).toBe(1)
    expect(stripe_payments).toMatchObject([{ id: intent, order_id: null, reason: payment?.reason }])
    fault.remove()
    shop.stripe.delivery = {}

    const answer = await retry(intent)
    expect(answer.stripe_payment).toMatchObject({ id: intent, attempts: 0, last_error: null })
    const [settled] = await shop.settled([intent])
    expect(settled).toMatchObject({ status: "completed", reason: null })
    expect(await shop.count("order_payment_collection WHERE order_id = $1", [settled?.order_id])).toBe(1)
    expect((await shop.admin("GET", "/admin/stripe-payments?status=review")).count).toBe(0)
  })

  it("is one that Stripe calls paid and Medusa calls given back, though Stripe answers each time", async () => {
    shop.stripe.delivery = { hold: () => true }
    const { cartId, intentId, sessionId } = await shop.checkout(MUG)
    await shop.confirm(intentId)
    await shop.rows(
      `INSERT INTO payment (id, amount, raw_amount, currency_code, provider_id, data, payment_session_id,
                            payment_collection_id, canceled_at)
       SELECT 'pay_given_back', amount, raw_amount, currency_code, provider_id, data, id, payment_collection_id, now()
         FROM payment_session WHERE id = $1`,
      [sessionId],
    )
    shop.stripe.delivery = {}
    await shop.stripe.releaseHeld()
    await shop.until(
      "the first attempt",
      async () => (await shop.payment(intentId)).attempts === 1 || undefined,
    )
    // What Stripe answered is too old to be believed by the second attempt, as it is after some back-offs.
    await shop.rows("UPDATE stripe_payment SET snapshot_at = now() - interval '10 minutes' WHERE id = $1", [
      intentId,
    ])

    const payment = await onReview(intentId)
    const disagreement = "the payment was canceled or refunded in Medusa in the meantime"
    expect(payment).toMatchObject({ order_id: null, reason: `gave up after 2 attempts: ${disagreement}` })
    expect(await shop.count("order_cart WHERE cart_id = $1", [cartId])).toBe(0)
    const lines = await shop.rows<{ text: string }>(
      "SELECT text FROM stripe_timeline WHERE payment_intent_id = $1 AND kind <> 'event' ORDER BY id",
      [intentId],
    )
    const asked = [`Stripe is asked: ${disagreement}`, "Stripe answered: the payment is requires_capture"]
    expect(lines.map(({ text }) => text)).toEqual([
      ...asked,
      `Attempt 1 failed: ${disagreement}`,
      ...asked,
      `Attempt 2 failed: ${disagreement}`,
    ])
  })

  it("keeps the order that it has, which is then paid", async () => {
    const fault = broken("POST /v1/payment_intents/*/capture")
    const intent = await shop.pay({ items: MUG, capture: "manual" })
    const { order_id } = (await onReview(intent)) ?? {}
    expect(order_id).toBeTruthy()
    const stock = await shop.stock("MUG")
    fault.remove()

    await retry(intent)
    expect(await shop.settled([intent])).toMatchObject([{ status: "completed", order_id }])
    expect(await shop.stock("MUG")).toEqual(stock)
    expect((await shop.client.paymentIntents.retrieve(intent)).status).toBe("succeeded")
  })

  it("gets the money back that could not be given back", async () => {
    const intent = await keptWithoutStock()

    await retry(intent)
    expect(await shop.settled([intent])).toMatchObject([{ status: "refunded", order_id: null }])
  })

  it("is given back by hand in Stripe, and is then void", async () => {
    const intent = await keptWithoutStock()
    await shop.client.refunds.create({ payment_intent: intent })

    await retry(intent)
    expect(await shop.settled([intent])).toMatchObject([{ status: "void" }])
  })

  it("is shown and taken up for administrators only, and where it does wait", async () => {
    const intent = await shop.pay({ items: MUG })
    expect(await shop.settled([intent])).toMatchObject([{ status: "completed" }])
    await expect(retry(intent)).rejects.toThrow(`Payment ${intent} is not in review: it is completed`)
    await expect(retry("pi_unknown")).rejects.toThrow(": 404 ")
    await expect(shop.admin("GET", "/admin/stripe-payments?status=lost")).rejects.toThrow(
      "status must be one of pending, lookup, awaiting_payment, completing, ",
    )
    await expect(shop.store("GET", "/admin/stripe-payments")).rejects.toThrow(": 401 ")
    await expect(shop.store("POST", `/admin/stripe-payments/${intent}/retry`)).rejects.toThrow(": 401 ")
    expect(await shop.settled([intent])).toMatchObject([{ status: "completed" }])
  })
})
