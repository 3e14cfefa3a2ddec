import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { closeShops } from "../setup/shop.ts"
import { costOf, StripeShop } from "./stripe-shop.ts"

const MUG = [{ sku: "MUG", quantity: 1 }]
const CART_TOTAL = costOf(MUG, "usd") + 500

interface AdminOrder {
  status: string
  payment_status: string
  metadata: Record<string, unknown> | null
  summary: Record<string, number>
  payment_collections: { id: string; amount: number; status: string; payments?: { id: string }[] }[]
}

const orderOf = async (shop: StripeShop, id: string): Promise<AdminOrder> => {
  const fields =
    "+status,+payment_status,+metadata,*summary,*payment_collections,*payment_collections.payments"
  return (await shop.admin("GET", `/admin/orders/${id}?fields=${fields}`)).order
}

/** Medusa makes the order while the money is on its way. */
describe.each([
  { policy: "keep", status: "review", order: "pending", reserved: 1 },
  { policy: "cancel", status: "canceled", order: "canceled", reserved: 0 },
])(
  "an order whose payment is slow, in a shop that would $policy it without money",
  ({ policy, ...failed }) => {
    let shop: StripeShop
    beforeAll(async () => {
      shop = await StripeShop.open({ HOLDFAST_ORDER_WITHOUT_MONEY: policy, CAPTURE_METHOD: "automatic" })
    })
    afterAll(() => shop?.close())
    afterAll(closeShops)

    const ordered = async (paymentMethod = "pm_success_de") => {
      await shop.putStock("MUG", 10)
      const paymentData = { payment_method_types: ["sepa_debit"] }
      const cart = await shop.checkout(MUG, { paymentData, currency: "eur" })
      await shop.client.paymentIntents.confirm(cart.intentId, {
        payment_method: paymentMethod,
        mandate_data: { customer_acceptance: { type: "offline" } },
      })
      const { order } = await shop.store("POST", `/store/carts/${cart.cartId}/complete`)
      return { ...cart, orderId: order.id as string }
    }

    it("gets the money when it comes", async () => {
      const { intentId, orderId } = await ordered()
      await shop.until(
        "the row",
        async () => (await shop.payment(intentId))?.status === "awaiting_payment" || undefined,
      )
      shop.stripe.bank.settlePayment(intentId)
      await shop.until(
        "the payment",
        async () => (await shop.payment(intentId)).status === "completed" || undefined,
      )
      const [row] = await shop.settled([intentId])
      expect(row).toMatchObject({ status: "completed", order_id: orderId })
      const order = await orderOf(shop, orderId)
      expect(order).toMatchObject({ payment_status: "captured", summary: { pending_difference: 0 } })
      expect(order.payment_collections).toMatchObject([{ status: "completed" }])
      expect(shop.announcements(orderId)).toBe(1)
      expect(await shop.count(`"order"`)).toBe(await shop.count("order_cart"))
    })

    it("is flagged when the money does not come, and kept or canceled as the store chose", async () => {
      const { intentId, orderId } = await ordered()
      shop.stripe.bank.failPayment(intentId)
      const row = await shop.until("the failure", async () => {
        const payment = await shop.payment(intentId)
        return payment?.status === failed.status ? payment : undefined
      })
      expect(row.reason).toContain(`order ${orderId} was placed while its payment was processing`)
      expect(await orderOf(shop, orderId)).toMatchObject({
        status: failed.order,
        metadata: { stripe_payment_failed: { id: intentId } },
      })
      expect(await shop.stock("MUG")).toMatchObject({ stocked: 10, reserved: failed.reserved })
    })

    const failedOrder = async () => {
      const bought = await ordered()
      shop.stripe.bank.failPayment(bought.intentId)
      await shop.become(bought.intentId, failed.status)
      return bought
    }
    const payAgain = async (id: string) => {
      await shop.client.paymentIntents.confirm(id, {
        payment_method: "pm_success_de",
        mandate_data: { customer_acceptance: { type: "offline" } },
      })
      shop.stripe.bank.settlePayment(id)
    }

    if (policy === "cancel") {
      it("that was canceled can't be paid again by the same payment", async () => {
        const { intentId } = await failedOrder()
        expect((await shop.client.paymentIntents.retrieve(intentId)).status).toBe("canceled")
        expect((await shop.payment(intentId)).reason).toContain("the order was canceled")
      })

      it("keeps no reservation where the admin cancels it, whose refund is heard of meanwhile", async () => {
        for (let round = 0; round < 3; round++) {
          await shop.putStock("MUG", 10)
          const intent = await shop.pay({ items: [{ sku: "MUG", quantity: 3 }] })
          const [row] = await shop.settled([intent])
          await shop.admin("POST", `/admin/orders/${row?.order_id}/cancel`)
          await shop.become(intent, "refunded")
          await shop.stripe.idle()
          expect(await shop.stock("MUG")).toEqual({ stocked: 10, reserved: 0, reservations: 0, raw: "10/0" })
          const lines = "(SELECT DISTINCT item_id FROM order_item WHERE order_id = $1) AS lines"
          expect(await shop.count(lines, [row?.order_id])).toBe(1)
        }
      })

      it("is canceled where all of its money was refunded in Stripe", async () => {
        await shop.putStock("MUG", 10)
        const intent = await shop.pay({ items: MUG })
        const [row] = await shop.settled([intent])
        await shop.client.refunds.create({ payment_intent: intent })
        await shop.become(intent, "refunded")
        expect((await orderOf(shop, String(row?.order_id))).status).toBe("canceled")
        expect(await shop.stock("MUG")).toMatchObject({ reserved: 0 })
      })
    } else {
      it("is paid where the buyer pays again by the same payment, and shows no failure any more", async () => {
        const { intentId, orderId } = await failedOrder()
        await payAgain(intentId)
        await shop.become(intentId, "completed")
        const order = await orderOf(shop, orderId)
        expect(order).toMatchObject({ payment_status: "captured", summary: { pending_difference: 0 } })
        expect(order.metadata ?? {}).not.toHaveProperty("stripe_payment_failed")
      })

      it("that the admin canceled keeps no money where the buyer pays again", async () => {
        const { intentId, orderId } = await failedOrder()
        await shop.admin("POST", `/admin/orders/${orderId}/cancel`)
        await shop.become(intentId, "canceled")
        expect((await shop.client.paymentIntents.retrieve(intentId)).status).toBe("canceled")
      })

      it("and is paid again at the moment of the cancellation is given its money back", async () => {
        const { intentId, orderId } = await failedOrder()
        const cancel = shop.stripe.faults.next("POST /v1/payment_intents/*/cancel", { hang: "before" })
        await shop.admin("POST", `/admin/orders/${orderId}/cancel`)
        await cancel.reached
        await payAgain(intentId)
        cancel.release()
        const refund = await shop.until("the refund", async () => {
          const { data } = await shop.client.refunds.list({ payment_intent: intentId })
          return data[0]
        })
        shop.stripe.bank.settleRefund(refund.id)
        await shop.become(intentId, "refunded")
        expect((await shop.client.refunds.list({ payment_intent: intentId })).data).toHaveLength(1)
      })
    }
  },
)

describe("an order that is paid again", () => {
  let shop: StripeShop
  beforeAll(async () => {
    shop = await StripeShop.open({ HOLDFAST_PAID_TWICE: "refund" })
  })
  afterAll(() => shop?.close())
  afterAll(closeShops)

  it("is paid once: a second payment of its cart goes back, where the store chose so", async () => {
    const { cartId, intentId } = await shop.checkout(MUG)
    await shop.confirm(intentId)
    await shop.settled([intentId])
    const second = await shop.intent({ items: MUG, amount: CART_TOTAL, metadata: { cart_id: cartId } })
    await shop.confirm(second)
    const [row] = await shop.settled([second])
    expect(row).toMatchObject({ status: "refunded", order_id: null })
    expect(row?.reason).toContain("this one was paid as well")
    const { data } = await shop.client.refunds.list({ payment_intent: second })
    expect(data.map(({ amount }) => amount)).toEqual([CART_TOTAL])
  })
})

describe("a cart in whose completion the store's hooks have a say", () => {
  let shop: StripeShop
  beforeAll(async () => {
    shop = await StripeShop.open({ SHOP_HOOKS_CART_COMPLETION: "true" })
  })
  afterAll(() => shop?.close())
  afterAll(closeShops)

  const told = (what: string) => shop.logs.split(what).length - 1

  it("has them run once, when the webhook comes first", async () => {
    const { cartId, intentId } = await shop.checkout(MUG)
    await shop.confirm(intentId)
    const [row] = await shop.settled([intentId])
    expect(row).toMatchObject({ status: "completed" })
    expect(told(`Gift card debited: ${cartId}`)).toBe(1)
    expect(told(`Gift card linked: ${row?.order_id}`)).toBe(1)
    expect(shop.announcements(row?.order_id as string)).toBe(1)
    expect(await shop.client.paymentIntents.retrieve(intentId)).toMatchObject({ status: "succeeded" })
  })

  it("has them run once, when the storefront completes it at the same time", async () => {
    const { cartId, intentId } = await shop.checkout(MUG)
    await shop.confirm(intentId)
    await shop.store("POST", `/store/carts/${cartId}/complete`)
    const [row] = await shop.settled([intentId])
    expect(row).toMatchObject({ status: "completed" })
    expect(told(`Gift card debited: ${cartId}`)).toBe(1)
    expect(told(`Gift card linked: ${row?.order_id}`)).toBe(1)
  })

  it("makes no order where they refuse, and says why", async () => {
    const { intentId } = await shop.checkout(MUG, { email: "refused@shop.example" })
    await shop.confirm(intentId)
    const [row] = await shop.settled([intentId])
    expect(row).toMatchObject({ status: "review", order_id: null })
    expect(row?.reason).toContain("the gift card is empty")
    expect(await shop.client.paymentIntents.retrieve(intentId)).toMatchObject({ status: "requires_capture" })
  })

  it("gives the money back where nothing is left", async () => {
    const { intentId } = await shop.checkout(MUG)
    await shop.putStock("MUG", 0)
    await shop.confirm(intentId)
    const [row] = await shop.settled([intentId])
    expect(row).toMatchObject({ status: "canceled", order_id: null })
    expect(row?.reason).toContain("out of stock")
  })
})
