import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { closeShops } from "../setup/shop.ts"
import { forgetTheDead, hold, untilStatementWaits } from "./standstill.ts"
import { HOT, StripeShop } from "./stripe-shop.ts"

const MUG = [{ sku: "MUG", quantity: 1 }]
const PRICE = 1450

describe("a store's own rule", () => {
  let shop: StripeShop
  beforeAll(async () => {
    shop = await StripeShop.open({
      ...{ SHOP_HOOKS_ORDERS: "true", HOLDFAST_WHEN_OUT_OF_STOCK: "partial", HOLDFAST_MAX_ATTEMPTS: "2" },
    })
  })
  afterAll(() => shop?.close())
  afterAll(closeShops)

  const buy = async (before_capture: unknown, more: { sku?: string; quantity?: number } = {}) => {
    const { sku = "MUG", quantity = 1 } = more
    const bought = [{ variant_id: shop.variant(sku).id, quantity }]
    const metadata = {
      items: JSON.stringify(bought),
      ...(before_capture !== undefined && { before_capture: JSON.stringify(before_capture) }),
    }
    return await shop.pay({ items: [{ sku, quantity }], capture: "manual", metadata })
  }
  const itemsOf = (sku: string) => JSON.stringify([{ variant_id: shop.variant(sku).id, quantity: 1 }])
  const inStripe = (intent: string) => shop.client.paymentIntents.retrieve(intent)
  const timeline = async (intent: string) =>
    (
      await shop.rows<{ text: string }>(
        "SELECT text FROM stripe_timeline WHERE payment_intent_id = $1 ORDER BY id",
        [intent],
      )
    ).map(({ text }) => text)

  describe("before the money is captured", () => {
    it("that answers nothing lets it be captured", async () => {
      const intent = await buy(undefined)
      expect(await shop.settled([intent])).toMatchObject([{ status: "completed" }])
      expect((await inStripe(intent)).amount_received).toBe(PRICE)
    })

    it("makes it wait, and is asked again; the order is announced when it is captured", async () => {
      const intent = await buy({ wait_seconds: 1, reason: "the bank is asked" })
      const [row] = await shop.settled([intent])
      expect(row).toMatchObject({ status: "completed", reason: null })
      expect((await inStripe(intent)).amount_received).toBe(PRICE)
      expect(await timeline(intent)).toContain(
        "the store's beforeCapture hook says to wait: the bank is asked",
      )
      expect(shop.announcements(row?.order_id ?? null)).toBe(1)
    })

    it("sends it to a person, who lets it go on by a retry, which asks again", async () => {
      const intent = await buy({ review: "the risk is high" })
      const review = await shop.become(intent, "review")
      expect(review).toMatchObject({
        reason: "the store's beforeCapture hook says: the risk is high",
        order_id: expect.any(String),
      })
      expect((await inStripe(intent)).status).toBe("requires_capture")
      expect(shop.announcements(review.order_id)).toBe(0)
      await shop.admin("POST", `/admin/stripe-payments/${intent}/retry`)
      await shop.until("the second review", async () => {
        const reviews = (await timeline(intent)).filter((text) => text === review.reason)
        return reviews.length > 1 || undefined
      })
      // The shop captures it by itself instead.
      await shop.client.paymentIntents.capture(intent)
      await shop.admin("POST", `/admin/stripe-payments/${intent}/retry`)
      await shop.become(intent, "completed")
      expect(shop.announcements(review.order_id)).toBe(1)
    })

    it("cancels the order: nothing is charged, and the stock comes back", async () => {
      await shop.putStock(HOT, 2)
      const intent = await buy({ cancel: "the buyer is blocked" }, { sku: HOT })
      const row = await shop.become(intent, "canceled")
      expect(row.reason).toBe(
        `the store's beforeCapture hook canceled order ${row.order_id}: the buyer is blocked`,
      )
      expect((await inStripe(intent)).status).toBe("canceled")
      const { order } = await shop.admin("GET", `/admin/orders/${row.order_id}`)
      expect(order.status).toBe("canceled")
      expect(await shop.stock(HOT)).toMatchObject({ stocked: 2, reserved: 0 })
      expect(shop.announcements(row.order_id)).toBe(0)
    })

    it("is asked anew by the next process, where the one that asked died in the cancellation", async () => {
      await shop.putStock(HOT, 2)
      const free = await hold(shop, `LOCK TABLE order_change IN SHARE ROW EXCLUSIVE MODE`)
      const intent = await buy({ cancel: "the buyer is blocked" }, { sku: HOT })
      await untilStatementWaits(shop, `"order_change"`)
      await shop.kill()
      await free()
      await forgetTheDead(shop)
      await shop.restart()
      await shop.become(intent, "canceled")
      expect((await inStripe(intent)).status).toBe("canceled")
      expect(await shop.stock(HOT)).toMatchObject({ stocked: 2, reserved: 0 })
    })

    it("counts without a StepResponse too", async () => {
      const intent = await buy({ review: "the risk is high", plain: true })
      expect((await shop.become(intent, "review")).reason).toBe(
        "the store's beforeCapture hook says: the risk is high",
      )
      expect((await inStripe(intent)).status).toBe("requires_capture")
    })

    it("sends it to review where its answer can't be used", async () => {
      const intent = await buy({ wait: 5 })
      const { reason } = await shop.become(intent, "review")
      expect(reason).toContain("the store's beforeCapture hook gave an answer that can't be used")
      expect((await inStripe(intent)).status).toBe("requires_capture")
    })

    it("hears of what the order of a part is to take, and a wait forgets no part", async () => {
      await shop.putStock(HOT, 1)
      const intent = await buy({ wait_seconds: 1 }, { sku: HOT, quantity: 3 })
      expect(await shop.settled([intent])).toMatchObject([
        { status: "completed", reason: expect.stringMatching(/^served in part/) },
      ])
      expect((await inStripe(intent)).amount_received).toBe(12000)
    })

    it("that says to wait does not hide that the authorization was canceled", async () => {
      const intent = await buy({ wait_seconds: 3600 })
      const waits = "the store's beforeCapture hook says to wait"
      await shop.until("the wait", async () => (await timeline(intent)).includes(waits) || undefined)
      await shop.client.paymentIntents.cancel(intent)
      const { reason } = await shop.become(intent, "review")
      expect(reason).toContain("can't be captured: it is canceled in Stripe")
    })
  })

  it("that hangs holds up the others for a moment, and needs review in the end", async () => {
    const hung = await shop.pay({ items: MUG, metadata: { items: itemsOf("MUG"), hang: "true" } })
    const other = await shop.pay({ items: MUG })
    expect(await shop.settled([other])).toMatchObject([{ status: "completed" }])
    expect((await shop.become(hung, "review")).reason).toBe(
      "gave up after 2 attempts: the store's orderDraft hook gave no answer within 10 s",
    )
  })

  it("leaves a Checkout Session of 0 whose order is of a part as it is", async () => {
    await shop.putStock(HOT, 1)
    const coupon = await shop.client.coupons.create({ percent_off: 100 })
    const session = await shop.client.checkout.sessions.create({
      mode: "payment",
      line_items: [
        {
          quantity: 2,
          price_data: {
            currency: "usd",
            unit_amount: 12000,
            product_data: { name: HOT, metadata: { sku: HOT } },
          },
        },
      ],
      discounts: [{ coupon: coupon.id }],
      success_url: "https://shop.example/thanks",
    })
    const { id } = shop.stripe.buyer.completeCheckout(session.id, { email: "ada@shop.example" })
    expect(await shop.settled([id])).toMatchObject([
      { status: "completed", reason: expect.stringMatching(/^served in part/) },
    ])
  })

  describe("after settling", () => {
    const told = (intent: string) =>
      [...shop.logs.matchAll(/Settled: (\S+) (\w+) (\w+) ([\w-]+)/g)]
        .filter(([, id]) => id === intent)
        .map(([, , outcome, order_id, event_id]) => ({ outcome, order_id, event_id }))
    const untilTold = (intent: string, outcome: string) =>
      shop.until(
        `${intent} to be told ${outcome}`,
        () => told(intent).some((one) => one.outcome === outcome) || undefined,
      )

    it("hears once what came of a payment, and nothing of what is on the way", async () => {
      const intent = await shop.pay({ items: MUG })
      await untilTold(intent, "completed")
      const { order_id } = await shop.payment(intent)
      expect(told(intent)).toEqual([{ outcome: "completed", order_id, event_id: expect.any(String) }])
      await shop.putStock(HOT, 0)
      const soldOut = await shop.pay({ items: [{ sku: HOT, quantity: 1 }] })
      await untilTold(soldOut, "refunded")
      expect(told(soldOut)).toHaveLength(1)
      await shop.until(
        "nothing to be left",
        async () => (await shop.count("stripe_outbox")) === 0 || undefined,
      )
    })

    it("is asked again where it failed, alone, and the bus is not told again", async () => {
      const free = await hold(shop, "LOCK TABLE stripe_outbox IN ACCESS EXCLUSIVE MODE")
      const unlucky = shop.pay({ items: MUG, email: "unlucky@shop.example" })
      const lucky = shop.pay({ items: MUG })
      const both = await Promise.all([unlucky, lucky])
      await free()
      for (const intent of both) await untilTold(intent, "completed")
      expect(shop.logs).toContain(`The back office does not answer about ${both[0]}`)
      for (const intent of both) {
        expect(new Set(told(intent).map(({ event_id }) => event_id)).size).toBe(1)
        const onTheBus = shop.logs.match(new RegExp(`stripe_payment.completed: [{]\\W+id\\W+${intent}`, "g"))
        expect(onTheBus).toHaveLength(1)
      }
      await shop.until(
        "nothing to be left",
        async () => (await shop.count("stripe_outbox")) === 0 || undefined,
      )
    })
  })
})
