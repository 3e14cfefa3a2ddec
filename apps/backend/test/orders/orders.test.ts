import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { closeShops } from "../setup/shop.ts"
import { costOf, HOT, StripeShop, times } from "./stripe-shop.ts"

const MUG = [{ sku: "MUG", quantity: 2 }]
const ORDER_FIELDS =
  "fields=+email,+currency_code,*items,*items.tax_lines,*shipping_address,*shipping_methods,+total,+payment_status,+fulfillment_status,*customer,*payment_collections.payments,*payment_collections.payments.captures,*transactions,*summary"

describe("an order from a Stripe payment", () => {
  let shop: StripeShop
  beforeAll(async () => {
    shop = await StripeShop.open()
  })
  afterAll(() => shop?.close())
  afterAll(closeShops)

  const orderOf = async (intent: string) => {
    const [payment] = await shop.settled([intent])
    expect(payment).toMatchObject({ status: "completed", reason: null })
    return (await shop.admin("GET", `/admin/orders/${payment?.order_id}?${ORDER_FIELDS}`)).order
  }
  const ordersOf = (cartId: string) =>
    shop.count("order_cart WHERE cart_id = $1 AND deleted_at IS NULL", [cartId])

  describe("of a cart", () => {
    it("is what the cart was: lines, taxes, shipping, addresses, customer, total; and the cart is completed", async () => {
      const { cartId, intentId } = await shop.checkout([...MUG, { sku: "SHIRT-M", quantity: 1 }], {
        currency: "eur",
        email: "grace@shop.example",
      })
      const { cart } = await shop.store("GET", `/store/carts/${cartId}`)
      await shop.confirm(intentId)
      const order = await orderOf(intentId)

      expect(order.total).toBe(cart.total)
      expect(order.email).toBe("grace@shop.example")
      expect(order.customer.email).toBe("grace@shop.example")
      expect(order.currency_code).toBe("eur")
      expect(
        order.items
          .map((item: { variant_sku: string; quantity: number }) => [item.variant_sku, item.quantity])
          .sort(),
      ).toEqual([
        ["MUG", 2],
        ["SHIRT-M", 1],
      ])
      expect(order.items[0].tax_lines[0].rate).toBe(19)
      expect(order.shipping_methods).toHaveLength(1)
      expect(order.shipping_address).toMatchObject({ last_name: "Hopper", country_code: "de" })
      const [row] = await shop.rows("SELECT completed_at FROM cart WHERE id = $1", [cartId])
      expect(row?.completed_at).not.toBeNull()
    })

    it("is made once, when the storefront completes the cart before, after or while the webhook comes", async () => {
      const complete = (id: string) => shop.store("POST", `/store/carts/${id}/complete`)
      const before = await shop.checkout(MUG)
      const after = await shop.checkout(MUG)
      const during = await times(5, () => shop.checkout(MUG))

      shop.stripe.delivery = { hold: (event) => JSON.stringify(event.data.object).includes(before.intentId) }
      await shop.confirm(before.intentId)
      const first = await complete(before.cartId)
      shop.stripe.delivery = {}
      shop.stripe.releaseHeld()
      const [late] = await shop.settled([before.intentId])
      expect(late).toMatchObject({ status: "completed", order_id: first.order.id })

      await shop.confirm(after.intentId)
      const [settled] = await shop.settled([after.intentId])
      expect((await complete(after.cartId)).order.id).toBe(settled?.order_id)

      await Promise.all(
        during.map(async ({ cartId, intentId }) => {
          await shop.confirm(intentId)
          await complete(cartId)
        }),
      )
      const rows = await shop.settled(during.map(({ intentId }) => intentId))
      expect(rows.map(({ status }) => status)).toEqual(rows.map(() => "completed"))
      for (const { cartId } of [before, after, ...during]) expect(await ordersOf(cartId)).toBe(1)
    })

    it("counts the promotion that the buyer used", async () => {
      await shop.offerTenPercent("order", "usd")
      const { cartId, intentId } = await shop.checkout([{ sku: "LANTERN-STANDARD", quantity: 1 }], {
        promotion: "TEN",
      })
      await shop.confirm(intentId)
      const order = await orderOf(intentId)
      expect(order.total).toBeCloseTo(48 * 0.9 + 5)
      expect(await shop.count("order_promotion WHERE order_id = $1", [order.id])).toBe(1)
      expect(await ordersOf(cartId)).toBe(1)
    })
  })

  describe("of a list of items", () => {
    it("is priced by the shop, paid, and belongs to the buyer", async () => {
      const order = await orderOf(await shop.pay({ items: MUG, email: "ada@shop.example" }))
      expect(order).toMatchObject({ email: "ada@shop.example", total: 29, payment_status: "captured" })
      expect(order.customer.email).toBe("ada@shop.example")
      expect(order.shipping_address).toMatchObject({
        first_name: "Ada",
        last_name: "Lovelace",
        country_code: "us",
      })
      expect(order.payment_collections[0].payments[0].captures).toHaveLength(1)
      expect(order.transactions[0].amount).toBe(29)
      expect(order.summary).toMatchObject({ paid_total: 29, pending_difference: 0 })
    })

    it("takes yen for what they are: they have no cents", async () => {
      const order = await orderOf(await shop.pay({ items: [{ sku: "MUG", quantity: 1 }], currency: "jpy" }))
      expect(order).toMatchObject({ currency_code: "jpy", total: 1900 })
    })

    it("takes the shop's own rule where the payment names neither cart nor items", async () => {
      const metadata = { sku: "SHIRT-L" }
      const order = await orderOf(await shop.pay({ items: [{ sku: "SHIRT-L", quantity: 1 }], metadata }))
      expect(order.items[0]).toMatchObject({ variant_sku: "SHIRT-L", quantity: 1 })
    })

    it("ships by the option that the payment names", async () => {
      const metadata = {
        items: JSON.stringify([{ variant_id: shop.variant("MUG").id, quantity: 2 }]),
        shipping_option_id: shop.seeded.shippingOptionId,
      }
      const order = await orderOf(await shop.pay({ items: MUG, amount: 2900 + 500, metadata }))
      expect(order.shipping_methods[0]).toMatchObject({
        amount: 5,
        shipping_option_id: shop.seeded.shippingOptionId,
      })
    })
  })

  it("of an authorised payment is captured once the stock is taken, at Stripe and in the admin", async () => {
    const intent = await shop.pay({ items: MUG, capture: "manual" })
    const order = await orderOf(intent)
    expect(order.payment_status).toBe("captured")
    expect(order.transactions[0].amount).toBe(29)
    expect(order.summary).toMatchObject({ paid_total: 29, pending_difference: 0 })
    expect((await shop.client.paymentIntents.retrieve(intent)).amount_received).toBe(2900)
  })

  it("is an ordinary one in the admin: it can be fulfilled, which lowers the stock, and refunded", async () => {
    const before = await shop.stock("MUG")
    const intent = await shop.pay({ items: MUG })
    const order = await orderOf(intent)
    expect(await shop.stock("MUG")).toMatchObject({ stocked: before.stocked, reserved: before.reserved + 2 })

    await shop.admin("POST", `/admin/orders/${order.id}/fulfillments`, {
      location_id: shop.seeded.locationId,
      shipping_option_id: shop.seeded.shippingOptionId,
      items: order.items.map(({ id, quantity }: { id: string; quantity: number }) => ({ id, quantity })),
    })
    const after = await shop.stock("MUG")
    expect(after).toMatchObject({
      stocked: before.stocked - 2,
      reserved: before.reserved,
      reservations: before.reserved,
    })
    expect(after.raw).toBe(`${before.stocked - 2}/${before.reserved}`)

    const [payment] = order.payment_collections[0].payments
    await shop.admin("POST", `/admin/payments/${payment.id}/refund`, { amount: 29 })
    const charge = await shop.client.charges.list({ payment_intent: intent })
    expect(charge.data[0]?.amount_refunded).toBe(2900)
    await expect(shop.admin("POST", `/admin/payments/${payment.id}/refund`, { amount: 1 })).rejects.toThrow(
      "refund more",
    )
  })

  it("can be cancelled in the admin, which gives the stock back", async () => {
    const before = await shop.stock("MUG")
    const order = await orderOf(await shop.pay({ items: MUG }))
    await shop.admin("POST", `/admin/orders/${order.id}/cancel`)
    expect(await shop.stock("MUG")).toEqual(before)
  })

  it("is announced once", async () => {
    const order = await orderOf(await shop.pay({ items: MUG }))
    await shop.until("the announcement", () => shop.announcements(order.id) || undefined)
    expect(shop.announcements(order.id)).toBe(1)
  })

  it("is one order when its payment is delivered ten times at once and ten times in a row", async () => {
    shop.stripe.delivery = { duplicate: () => 9 }
    const intent = await shop.pay({ items: MUG })
    shop.stripe.delivery = {}
    const order = await orderOf(intent)
    await shop.stripe.idle()
    const paid = shop.stripe.events.find(
      ({ type, data }) =>
        type === "payment_intent.succeeded" && (data.object as { id: string }).id === intent,
    )
    for (let i = 0; i < 10; i++) {
      const [delivery] = await shop.stripe.deliver(paid?.id ?? "")
      expect(delivery?.status).toBe(200)
    }
    expect(await orderOf(intent)).toMatchObject({ id: order.id })
    expect(await shop.count(`order_transaction WHERE order_id = $1`, [order.id])).toBe(1)
    const [event] = await shop.rows("SELECT status, deliveries FROM stripe_event WHERE id = $1", [paid?.id])
    expect(event).toEqual({ status: "settled", deliveries: 20 })
  })

  it("is one order when its events come in reverse and again", async () => {
    shop.stripe.delivery = { hold: () => true }
    const intent = await shop.pay({ items: MUG, capture: "manual" })
    await shop.client.paymentIntents.capture(intent)
    shop.stripe.delivery = {}
    shop.stripe.releaseHeld((held) => [...held.reverse(), ...held])
    const order = await orderOf(intent)
    await shop.stripe.idle()
    expect(order.payment_status).toBe("captured")
    await shop.until(
      "all events to be settled",
      async () =>
        (await shop.count("stripe_event WHERE payment_intent_id = $1 AND status = 'pending'", [intent])) ===
          0 || undefined,
    )
    expect(await shop.count(`order_transaction WHERE order_id = $1`, [order.id])).toBe(1)
  })

  it("is made for each of several first payments of one new customer at once", async () => {
    const email = "new@shop.example"
    const intents = await times(4, () => shop.intent({ items: [{ sku: "MUG", quantity: 1 }], email }))
    await Promise.all(intents.map((id) => shop.confirm(id)))
    const rows = await shop.settled(intents)
    expect(rows.map(({ status }) => status)).toEqual(rows.map(() => "completed"))
    expect(await shop.count(`"order" WHERE email = $1`, [email])).toBe(4)
    expect(await shop.count(`customer WHERE email = $1 AND deleted_at IS NULL`, [email])).toBe(1)
  })

  it("counts two lines that share an inventory item together", async () => {
    const items = [
      { sku: "MUG", quantity: 1 },
      { sku: "MUG-PAIR", quantity: 1 },
    ]
    await shop.putStock("MUG", 5)
    const intents = await times(4, () => shop.intent({ items }))
    await Promise.all(intents.map((id) => shop.confirm(id)))
    const rows = await shop.settled(intents)
    expect(rows.map(({ status }) => status).sort()).toEqual(["completed", "refunded", "refunded", "refunded"])
    expect(await shop.stock("MUG")).toEqual({ stocked: 5, reserved: 3, reservations: 3, raw: "5/3" })
    await shop.putStock("MUG", 1000)
  })

  describe("needs review, with the reason, and takes no stock, when", () => {
    const review = async (intent: string) => {
      const [payment] = await shop.settled([intent])
      expect(payment).toMatchObject({ status: "review", order_id: null })
      return payment?.reason
    }
    const say = (items: unknown) => ({ items: typeof items === "string" ? items : JSON.stringify(items) })

    it.each([
      ["less was paid than is ordered", { amount: 2899 }, "paid 28.99 USD, but the order comes to 29.00 USD"],
      ["more was paid than is ordered", { amount: 2901 }, "paid 29.01 USD, but the order comes to 29.00 USD"],
      ["an authorisation falls short", { amount: 100, capture: "manual" as const }, "paid 1.00 USD"],
      [
        "the variant doesn't exist",
        { metadata: say([{ variant_id: "variant_x", quantity: 1 }]) },
        "variant variant_x does not exist",
      ],
      ["the items aren't JSON", { metadata: say("[{") }, "metadata.items is not JSON"],
      ["the list is empty", { metadata: say([]) }, "metadata.items can't be used"],
      [
        "a quantity is no whole number",
        { metadata: say([{ variant_id: "v", quantity: 1.5 }]) },
        "0.quantity",
      ],
      ["a quantity is negative", { metadata: say([{ variant_id: "v", quantity: -1 }]) }, "0.quantity"],
      ["the cart doesn't exist", { metadata: { cart_id: "cart_x" } }, "cart cart_x does not exist"],
      ["it says nothing of what was bought", { metadata: {} }, "doesn't say what was bought"],
    ])("%s", async (_, purchase, reason) => {
      const before = await shop.stock("MUG")
      expect(await review(await shop.pay({ items: MUG, ...purchase }))).toContain(reason)
      expect(await shop.stock("MUG")).toEqual(before)
    })

    it("it was paid in another currency than the cart's", async () => {
      const { cartId } = await shop.checkout(MUG)
      const paid = await shop.pay({
        items: MUG,
        amount: 3400,
        currency: "eur",
        metadata: { cart_id: cartId },
      })
      expect(await review(paid)).toBe("paid in EUR, but ordered in USD")
    })

    it("the cart changed after it was paid", async () => {
      const { cartId, intentId } = await shop.checkout(MUG)
      shop.stripe.delivery = { hold: () => true }
      await shop.confirm(intentId)
      await shop.rows("UPDATE cart_line_item SET quantity = 3 WHERE cart_id = $1", [cartId])
      shop.stripe.delivery = {}
      shop.stripe.releaseHeld()
      expect(await review(intentId)).toContain("paid 34.00 USD, but the order comes to 48.50 USD")
    })

    it("its cart was paid twice", async () => {
      const { cartId, intentId } = await shop.checkout(MUG)
      await shop.confirm(intentId)
      await shop.settled([intentId])
      const second = await shop.pay({
        items: MUG,
        amount: costOf(MUG, "usd") + 500,
        metadata: { cart_id: cartId },
      })
      expect(await review(second)).toContain("with another payment: this one was paid as well")
      expect(await ordersOf(cartId)).toBe(1)
    })
  })

  it("is not made of a payment that was cancelled or refunded before its event came", async () => {
    shop.stripe.delivery = { hold: () => true }
    const cancelled = await shop.pay({ items: MUG, capture: "manual" })
    const refunded = await shop.pay({ items: MUG })
    await shop.client.paymentIntents.cancel(cancelled)
    await shop.client.refunds.create({ payment_intent: refunded })
    shop.stripe.delivery = {}
    shop.stripe.releaseHeld()
    const rows = await shop.settled([cancelled, refunded])
    expect(rows.map(({ status, order_id }) => [status, order_id])).toEqual([
      ["void", null],
      ["void", null],
    ])
  })

  describe("without stock is none: the money goes back, once, and the row says why", () => {
    const calls = (path: string) =>
      shop.stripe.requests.filter((r) => r.method === "POST" && r.path === path && !r.replayed)

    it("an authorisation is let go", async () => {
      await shop.putStock(HOT, 0)
      const intent = await shop.pay({ items: [{ sku: HOT, quantity: 1 }], capture: "manual" })
      const [payment] = await shop.settled([intent])
      expect(payment).toMatchObject({ status: "canceled", order_id: null })
      expect(payment?.reason).toContain("out of stock: 1 of")
      expect((await shop.client.paymentIntents.retrieve(intent)).status).toBe("canceled")
      const [call, ...more] = calls(`/v1/payment_intents/${intent}/cancel`)
      expect(more).toEqual([])
      expect(call?.idempotencyKey).toBe(`holdfast-cancel-${intent}`)
    })

    it("a captured payment is refunded whole, also when Stripe fails at first and answers late", async () => {
      await shop.putStock(HOT, 0)
      shop.stripe.faults.next("POST /v1/refunds", { drop: "after", times: 4 })
      const intent = await shop.pay({ items: [{ sku: HOT, quantity: 2 }] })
      const [payment] = await shop.settled([intent])
      expect(payment?.status).toBe("refunded")
      const refunds = await shop.client.refunds.list({ payment_intent: intent })
      expect(refunds.data.map(({ amount }) => amount)).toEqual([24000])
    })

    it.each(["during", "after"] as const)(
      "also when Stripe failed %s the refund, which it remembers for a day",
      async (when) => {
        await shop.putStock(HOT, 0)
        shop.stripe.faults.next("POST /v1/refunds", { status: 500, when })
        const intent = await shop.pay({ items: [{ sku: HOT, quantity: 1 }] })
        const [payment] = await shop.settled([intent])
        expect(payment?.status).toBe("refunded")
        const refunds = await shop.client.refunds.list({ payment_intent: intent })
        expect(refunds.data).toHaveLength(1)
      },
    )
  })

  it.each(["during", "after"] as const)(
    "is paid, though Stripe failed %s the capture, which it remembers for a day",
    async (when) => {
      shop.stripe.faults.next("POST /v1/payment_intents/*/capture", { status: 500, when })
      const order = await orderOf(await shop.pay({ items: MUG, capture: "manual" }))
      expect(order.payment_status).toBe("captured")
    },
  )
})
