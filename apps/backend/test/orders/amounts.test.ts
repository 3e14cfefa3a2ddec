import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import { closeShops } from "../setup/shop.ts"
import { costOf, StripeShop } from "./stripe-shop.ts"

const MUG = [{ sku: "MUG", quantity: 1 }]
const CART_TOTAL = costOf(MUG, "usd") + 500
const TIP = 300

/** The storefront, or a tip in it, changed the payment intent's amount: Medusa itself compares none. */
describe("a cart for which another amount is paid than it costs", () => {
  let shop: StripeShop
  beforeAll(async () => {
    shop = await StripeShop.open()
    await shop.putStock("MUG", 100)
  })
  afterEach(() => {
    shop.stripe.delivery = {}
  })
  afterAll(() => shop?.close())
  afterAll(closeShops)

  const paid = async (amount: number, capture_method: "automatic" | "manual") => {
    const cart = await shop.checkout(MUG, { paymentData: { capture_method } })
    await shop.client.paymentIntents.update(cart.intentId, { amount })
    await shop.confirm(cart.intentId)
    return cart
  }
  const inReview = async (intent: string) => {
    const [row] = await shop.settled([intent])
    expect(row).toMatchObject({ status: "review" })
    return row?.reason
  }
  const orderOf = async (id: string | null | undefined) =>
    (
      await shop.admin(
        "GET",
        `/admin/orders/${id}?fields=+total,+payment_status,*summary,*payment_collections`,
      )
    ).order
  const retried = async (intent: string) => {
    await shop.admin("POST", `/admin/stripe-payments/${intent}/retry`)
    const row = await shop.until("the retry", async () => {
      const payment = await shop.payment(intent)
      return payment.status === "completed" ? payment : undefined
    })
    return await orderOf(row.order_id)
  }

  it.each(["automatic", "manual"] as const)(
    "needs review where more is paid, and is an order when the cart is corrected, with %s capture",
    async (capture) => {
      const { cartId, intentId } = await paid(CART_TOTAL + TIP, capture)
      expect(await inReview(intentId)).toBe("paid 22.50 USD, but the order comes to 19.50 USD")
      expect(await shop.count("order_cart WHERE cart_id = $1", [cartId])).toBe(0)
      await shop.rows(
        `UPDATE cart_line_item SET unit_price = unit_price + 3, raw_unit_price = jsonb_set(raw_unit_price, '{value}', '"17.5"')
          WHERE cart_id = $1`,
        [cartId],
      )
      expect(await retried(intentId)).toMatchObject({
        total: 22.5,
        payment_status: "captured",
        summary: { pending_difference: 0, paid_total: 22.5 },
      })
    },
  )

  it("needs review where more is paid, and is an order when the rest is refunded in Stripe", async () => {
    const { intentId } = await paid(CART_TOTAL + TIP, "automatic")
    expect(await inReview(intentId)).toBe("paid 22.50 USD, but the order comes to 19.50 USD")
    await shop.client.refunds.create({ payment_intent: intentId, amount: TIP })
    expect(await retried(intentId)).toMatchObject({
      total: 19.5,
      payment_status: "partially_refunded",
      summary: { pending_difference: 0, paid_total: 22.5, refunded_total: 3 },
    })
  })

  it("needs review where less is paid, and nothing is captured", async () => {
    const { cartId, intentId } = await paid(CART_TOTAL - TIP, "manual")
    expect(await inReview(intentId)).toBe("paid 16.50 USD, but the order comes to 19.50 USD")
    expect(await shop.count("order_cart WHERE cart_id = $1", [cartId])).toBe(0)
    expect(await shop.client.paymentIntents.retrieve(intentId)).toMatchObject({
      status: "requires_capture",
      amount_received: 0,
    })
  })

  it.each([
    ["more", "automatic", TIP, "captured", 22.5],
    ["more", "manual", TIP, "authorized", 0],
    ["less", "automatic", -TIP, "partially_captured", 16.5],
    ["less", "manual", -TIP, "authorized", 0],
  ] as const)(
    "needs review where Medusa completed it all the same for %s, and shows what was taken, with %s capture",
    async (_, capture, difference, payment_status, taken) => {
      shop.stripe.delivery = { hold: () => true }
      const { cartId, intentId } = await paid(CART_TOTAL + difference, capture)
      const { order } = await shop.store("POST", `/store/carts/${cartId}/complete`)
      shop.stripe.delivery = {}
      await shop.stripe.releaseHeld()
      const amount = ((CART_TOTAL + difference) / 100).toFixed(2)
      expect(await inReview(intentId)).toBe(
        `paid ${amount} USD, but Medusa recorded 19.50 USD for order ${order.id}`,
      )
      const { amount_received } = await shop.client.paymentIntents.retrieve(intentId)
      expect(amount_received).toBe(taken * 100)
      expect(await orderOf(order.id)).toMatchObject({
        payment_status,
        summary: { transaction_total: taken, pending_difference: 19.5 - taken },
        payment_collections: [{ captured_amount: taken }],
      })
      // A person has decided that it is good so, or edited the order.
      expect(await retried(intentId)).toMatchObject({
        summary: { transaction_total: 19.5 + difference / 100, pending_difference: -difference / 100 },
        payment_collections: [{ captured_amount: 19.5 + difference / 100 }],
      })
      expect(shop.announcements(order.id)).toBe(1)
    },
  )
})
