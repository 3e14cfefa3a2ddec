import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import { closeShops } from "../setup/shop.ts"
import { Buyers } from "./buyers.ts"
import { HOT, StripeShop } from "./stripe-shop.ts"

const ONE = [{ sku: HOT, quantity: 1 }]

describe("what a cart holds while its buyer pays", () => {
  let shop: StripeShop
  let buyers: Buyers
  beforeAll(async () => {
    shop = await StripeShop.open({ HOLDFAST_HOLD: JSON.stringify({ perIp: 0, perCustomer: 0 }) })
    buyers = new Buyers(shop)
  })
  afterEach(async () => {
    shop.stripe.delivery = {}
    await buyers.audit(HOT)
  })
  afterAll(() => shop?.close())
  afterAll(closeShops)

  const openSession = async (cart_id: string, naming: "metadata" | "reference" = "metadata") => {
    const { cart } = await shop.store("GET", `/store/carts/${cart_id}`)
    const product_data = { name: "All of the cart" }
    const price_data = { currency: "usd", unit_amount: cart.total * 100, product_data }
    return await shop.client.checkout.sessions.create({
      mode: "payment",
      line_items: [{ quantity: 1, price_data }],
      success_url: "https://shop.example/thanks",
      ...(naming === "metadata" ? { metadata: { cart_id } } : { client_reference_id: cart_id }),
    })
  }

  describe("is given back", () => {
    it("when its buyer says so, as often as the buyer says so", async () => {
      await shop.putStock(HOT, 1)
      const { cartId } = await buyers.heldCheckout(ONE)
      expect((await buyers.ask("DELETE", `/store/carts/${cartId}/hold`)).status).toBe(200)
      expect(await buyers.left(HOT)).toBe(1)
      expect((await buyers.ask("DELETE", `/store/carts/${cartId}/hold`)).status).toBe(200)
      expect(await buyers.left(HOT)).toBe(1)
    })

    it("when its time is over: by the sweep, or at once to the next buyer or flow that needs the units", async () => {
      await shop.putStock(HOT, 1)
      const next = await buyers.cart(ONE)
      const { cartId } = await buyers.heldCheckout(ONE)
      await buyers.passTime(955, cartId)
      expect((await buyers.hold(next)).status).toBe(409)
      await buyers.passTime(10, cartId)
      expect((await buyers.hold(next)).status).toBe(200)
      await buyers.passTime(965, next)
      expect(await shop.settled([await shop.pay({ items: ONE })])).toMatchObject([{ status: "completed" }])
      await shop.putStock(HOT, 1)
      const { cartId: third } = await buyers.heldCheckout(ONE)
      await buyers.passTime(965, third)
      await buyers.leftIs(HOT, 1)
      expect(await buyers.stored(third)).toBeUndefined()
    })

    it("when it is deleted", async () => {
      await shop.putStock(HOT, 1)
      const { cartId } = await buyers.heldCheckout(ONE)
      await shop.rows(`UPDATE cart SET deleted_at = now() WHERE id = $1`, [cartId])
      await buyers.leftIs(HOT, 1)
    })

    it.each(["metadata", "reference"] as const)(
      "when the Checkout Session that names it by its %s expires",
      async (naming) => {
        await shop.rows("DELETE FROM stripe_event WHERE type = 'checkout.session.expired'")
        await shop.putStock(HOT, 1)
        const { cartId } = await buyers.heldCheckout(ONE)
        const session = await openSession(cartId, naming)
        shop.stripe.bank.expireCheckout(session.id)
        await shop.until("the event to be stored", async () =>
          (await shop.count("stripe_event WHERE type = 'checkout.session.expired'")) > 0 ? true : undefined,
        )
        await buyers.passTime(65, cartId)
        await buyers.leftIs(HOT, 1)
      },
    )

    it("to no one else while it is paid in a Checkout Session, whose order claims it", async () => {
      await shop.putStock(HOT, 1)
      const { cartId } = await buyers.heldCheckout(ONE)
      const session = await openSession(cartId)
      expect(await shop.settled([await shop.pay({ items: ONE })])).toMatchObject([{ status: "refunded" }])
      const paid = shop.stripe.buyer.completeCheckout(session.id, { email: "cart@shop.example" })
      const [row] = await shop.settled([String(paid.payment_intent)])
      expect(row).toMatchObject({ status: "completed", cart_id: cartId })
      expect(await shop.stock(HOT)).toMatchObject({ stocked: 1, reserved: 1, reservations: 1 })
      expect(await buyers.stored(cartId)).toBeUndefined()
    })

    it("of lines that become shorter or go, at once", async () => {
      await shop.putStock(HOT, 5)
      await shop.putStock("MUG", 5)
      const cart = await buyers.cart([
        { sku: HOT, quantity: 3 },
        { sku: "MUG", quantity: 1 },
      ])
      const { body } = await buyers.hold(cart)
      expect(body.hold.items).toHaveLength(2)
      const { items } = (await shop.store("GET", `/store/carts/${cart}`)).cart
      const [hot, mug] = [HOT, "MUG"].map((sku) =>
        items.find((item: { variant_sku: string }) => item.variant_sku === sku),
      )
      await shop.store("POST", `/store/carts/${cart}/line-items/${hot.id}`, { quantity: 1 })
      await buyers.leftIs(HOT, 4)
      await shop.store("DELETE", `/store/carts/${cart}/line-items/${mug.id}`)
      await shop.until("the mug", async () => (await shop.stock("MUG")).reserved === 0 || undefined, 10)
      await shop.store("DELETE", `/store/carts/${cart}/line-items/${hot.id}`)
      await buyers.leftIs(HOT, 5)
    })

    it("when its payment is canceled in Stripe, but not when it is replaced by another", async () => {
      await shop.putStock(HOT, 1)
      const { cartId, intentId } = await buyers.heldCheckout(ONE)
      const collection = (await shop.store("GET", `/store/carts/${cartId}?fields=*payment_collection`)).cart
        .payment_collection.id
      const { payment_collection } = await shop.store(
        "POST",
        `/store/payment-collections/${collection}/payment-sessions`,
        {
          provider_id: "pp_stripe_stripe",
        },
      )
      expect((await shop.client.paymentIntents.retrieve(intentId)).status).toBe("canceled")
      await new Promise((resolve) => setTimeout(resolve, 9_000))
      expect(await buyers.left(HOT)).toBe(0)
      await shop.client.paymentIntents.cancel(payment_collection.payment_sessions.at(-1).data.id)
      await buyers.leftIs(HOT, 1)
    })

    it("never before a Checkout Session that names it by its reference, and was paid, is decided about", async () => {
      await shop.putStock(HOT, 1)
      const rival = await buyers.cart(ONE)
      const { cartId } = await buyers.heldCheckout(ONE)
      const session = await openSession(cartId, "reference")
      const decide = await buyers.holdDecisions()
      const paid = shop.stripe.buyer.completeCheckout(session.id, { email: "cart@shop.example" })
      await shop.stripe.idle()
      await buyers.passTime(2_000, cartId)
      expect((await buyers.hold(rival)).status).toBe(409)
      await decide()
      expect(await shop.settled([String(paid.payment_intent)])).toMatchObject([{ status: "completed" }])
    })

    it("never before a payment that was made is decided about", async () => {
      await shop.putStock(HOT, 1)
      const rival = await buyers.cart(ONE)
      const { cartId, intentId } = await buyers.heldCheckout(ONE)
      const decide = await buyers.holdDecisions()
      await shop.confirm(intentId)
      await shop.until("the payment to wait", async () => (await shop.payment(intentId)) || undefined)
      await buyers.passTime(2_000, cartId)
      expect((await buyers.hold(rival)).status).toBe(409)
      await new Promise((resolve) => setTimeout(resolve, 5_000))
      expect(await buyers.left(HOT)).toBe(0)
      await decide()
      expect(await shop.settled([intentId])).toMatchObject([{ status: "completed" }])
    })
  })

  describe("stays", () => {
    const expiry = async (cart: string) => (await buyers.stored(cart))?.expires_at.getTime() ?? 0

    it("while its buyer is at work: another hold, a change of the cart, the start of a payment", async () => {
      await shop.putStock(HOT, 5)
      const { cartId } = await buyers.heldCheckout(ONE)
      const isRenewed = async (work: () => Promise<unknown>) => {
        await buyers.passTime(100, cartId)
        const before = await expiry(cartId)
        await work()
        await shop.until("a renewal", async () => (await expiry(cartId)) > before + 90_000 || undefined, 10)
      }
      const [{ reservation_ids } = { reservation_ids: [] }] = [await buyers.stored(cartId)]
      await isRenewed(() => buyers.hold(cartId))
      await isRenewed(() => shop.store("POST", `/store/carts/${cartId}`, { metadata: { gift: "yes" } }))
      const collection = (await shop.store("GET", `/store/carts/${cartId}?fields=*payment_collection`)).cart
        .payment_collection.id
      await isRenewed(() =>
        shop.store("POST", `/store/payment-collections/${collection}/payment-sessions`, {
          provider_id: "pp_stripe_stripe",
        }),
      )
      expect((await buyers.stored(cartId))?.reservation_ids).toEqual(reservation_ids)
    })

    it("for an hour at most", async () => {
      await shop.putStock(HOT, 5)
      const { cartId } = await buyers.heldCheckout(ONE)
      for (let hold = 0; hold < 3; hold += 1) {
        await buyers.passTime(890, cartId)
        expect((await buyers.hold(cartId)).status).toBe(200)
      }
      await buyers.passTime(890, cartId)
      const { body } = await buyers.hold(cartId)
      expect(Date.parse(body.hold.expires_at) - Date.now()).toBeLessThan(60_000)
      await buyers.passTime(60, cartId)
      expect(await buyers.hold(cartId)).toMatchObject({ status: 409, body: { code: "hold_expired" } })
    })
  })
})
