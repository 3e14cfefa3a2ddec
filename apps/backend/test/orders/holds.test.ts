import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import { closeShops } from "../setup/shop.ts"
import { Buyers } from "./buyers.ts"
import { HOT, StripeShop } from "./stripe-shop.ts"

const ONE = [{ sku: HOT, quantity: 1 }]
const TWO = [{ sku: HOT, quantity: 2 }]

describe("a cart that holds its stock while its buyer pays", () => {
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

  const left = async () => {
    const { stocked, reserved } = await shop.stock(HOT)
    return stocked - reserved
  }

  const leftIs = (units: number) =>
    shop.until(`${units} units to be free`, async () => (await left()) === units || undefined, 15)

  async function heldCart(lines = ONE) {
    const checkout = await shop.checkout(lines)
    const { status } = await buyers.hold(checkout.cartId)
    expect(status).toBe(200)
    return checkout
  }

  /** Nobody decides about payments until the returned function is called. */
  async function holdDecisions(): Promise<() => Promise<void>> {
    await shop.rows(
      `UPDATE stripe_lease SET holder = 'a test', expires_at = now() + interval '1 hour' WHERE id = 'decide'`,
    )
    return async () => void (await shop.rows(`DELETE FROM stripe_lease WHERE holder = 'a test'`))
  }

  describe("is told", () => {
    it("what is held and until when, and reads it again", async () => {
      await shop.putStock(HOT, 5)
      const cart = await buyers.cart(TWO)
      const asked = Date.now()
      const { status, body } = await buyers.hold(cart)
      expect(status).toBe(200)
      expect(body.hold).toMatchObject({ cart_id: cart, items: [{ quantity: 2 }] })
      expect(Math.abs(Date.parse(body.hold.expires_at) - asked - 900_000)).toBeLessThan(5_000)
      expect(await left()).toBe(3)
      expect((await buyers.ask("GET", `/store/carts/${cart}/hold`)).body).toEqual(body)
      const { reservations } = await shop.admin("GET", "/admin/reservations?limit=50&order=-created_at")
      expect(reservations[0]).toMatchObject({
        quantity: 2,
        line_item_id: null,
        description: expect.stringContaining(cart),
      })
    })

    it("which items there are too few of, and how many there are", async () => {
      await shop.putStock(HOT, 3)
      const late = await buyers.cart(ONE)
      await heldCart(TWO)
      await heldCart(ONE)
      const refused = await buyers.hold(late)
      expect(refused.status).toBe(409)
      expect(refused.body).toMatchObject({
        code: "insufficient_inventory",
        items: [{ sku: HOT, wanted: 1, available: 0, variant_id: shop.variant(HOT).id }],
      })
      expect(refused.body.message).toMatch(/1 of .+ wanted, none are left/)
    })

    it("that a cart does not exist, holds nothing, or is an order already", async () => {
      await shop.putStock(HOT, 5)
      expect((await buyers.hold("cart_none")).status).toBe(404)
      const cart = await buyers.cart(ONE)
      expect((await buyers.ask("GET", `/store/carts/${cart}/hold`)).status).toBe(404)
      const { cartId, intentId } = await heldCart()
      await shop.confirm(intentId)
      await shop.settled([intentId])
      expect(await buyers.hold(cartId)).toMatchObject({ status: 409, body: { code: "cart_completed" } })
    })
  })

  describe("is never refused what it holds", () => {
    it("when its payment becomes an order, though others paid before it", async () => {
      await shop.putStock(HOT, 1)
      const { cartId, intentId } = await heldCart()
      const rival = await shop.pay({ items: ONE })
      expect(await shop.settled([rival])).toMatchObject([{ status: "refunded" }])
      await shop.confirm(intentId)
      expect(await shop.settled([intentId])).toMatchObject([{ status: "completed" }])
      expect(await shop.stock(HOT)).toEqual({ stocked: 1, reserved: 1, reservations: 1, raw: "1/1" })
      expect(await buyers.stored(cartId)).toBeUndefined()
    })

    it("when both are decided in one batch, the other first", async () => {
      await shop.putStock(HOT, 1)
      const { intentId } = await heldCart()
      const decide = await holdDecisions()
      const rival = await shop.pay({ items: ONE })
      await shop.until("the rival to wait", async () => (await shop.payment(rival)) || undefined)
      await shop.confirm(intentId)
      await shop.until("both to wait", async () => (await shop.payment(intentId)) || undefined)
      await decide()
      const rows = await shop.settled([rival, intentId])
      expect(new Map(rows.map(({ id, status }) => [id, status]))).toEqual(
        new Map([
          [rival, "refunded"],
          [intentId, "completed"],
        ]),
      )
    })

    it("by Medusa's own complete-cart", async () => {
      await shop.putStock(HOT, 1)
      shop.stripe.delivery = { hold: () => true }
      const { cartId, intentId } = await heldCart()
      await shop.confirm(intentId)
      const { body } = await buyers.complete(cartId)
      expect(body).toMatchObject({ type: "order" })
      expect(await shop.stock(HOT)).toEqual({ stocked: 1, reserved: 1, reservations: 1, raw: "1/1" })
      const [reservation] = await shop.rows(
        `SELECT line_item_id FROM reservation_item WHERE inventory_item_id = $1 AND deleted_at IS NULL`,
        [shop.itemOf(HOT)],
      )
      expect(reservation?.line_item_id).toBe(body.order.items[0].id)
    })

    it("when it changes its lines, while others are", async () => {
      await shop.putStock(HOT, 3)
      const { cartId } = await heldCart(TWO)
      const other = await shop.checkout(ONE)
      const [line] = (await shop.store("GET", `/store/carts/${cartId}`)).cart.items
      const [theirs] = (await shop.store("GET", `/store/carts/${other.cartId}`)).cart.items
      const change = (cart: string, id: string, quantity: number) =>
        buyers.ask("POST", `/store/carts/${cart}/line-items/${id}`, { quantity })
      expect((await change(other.cartId, theirs.id, 2)).status).toBe(400)
      expect((await change(cartId, line.id, 3)).status).toBe(200)
      const variant_id = shop.variant(HOT).id
      const more = await buyers.ask("POST", `/store/carts/${cartId}/line-items`, { variant_id, quantity: 1 })
      expect(more.status).toBe(400)
      const { body } = await buyers.hold(cartId)
      expect(body.hold.items).toEqual([{ line_item_id: line.id, quantity: 3 }])
      expect(await left()).toBe(0)
    })
  })

  describe("gives it back", () => {
    it("when its buyer says so, as often as the buyer says so", async () => {
      await shop.putStock(HOT, 1)
      const { cartId } = await heldCart()
      expect((await buyers.ask("DELETE", `/store/carts/${cartId}/hold`)).status).toBe(200)
      expect(await left()).toBe(1)
      expect((await buyers.ask("DELETE", `/store/carts/${cartId}/hold`)).status).toBe(200)
      expect(await left()).toBe(1)
    })

    it("when its time is over, to the sweep or at once to the next who asks, in whatever way", async () => {
      await shop.putStock(HOT, 1)
      const next = await buyers.cart(ONE)
      const { cartId } = await heldCart()
      await buyers.passTime(955, cartId)
      expect((await buyers.hold(next)).status).toBe(409)
      await buyers.passTime(10, cartId)
      expect((await buyers.hold(next)).status).toBe(200)
      await buyers.passTime(965, next)
      expect(await shop.settled([await shop.pay({ items: ONE })])).toMatchObject([{ status: "completed" }])
      await shop.putStock(HOT, 1)
      const { cartId: third } = await heldCart()
      await buyers.passTime(965, third)
      await leftIs(1)
      expect(await buyers.stored(third)).toBeUndefined()
    })

    it("when it is deleted", async () => {
      await shop.putStock(HOT, 1)
      const { cartId } = await heldCart()
      await shop.rows(`UPDATE cart SET deleted_at = now() WHERE id = $1`, [cartId])
      await leftIs(1)
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
      await leftIs(4)
      await shop.store("DELETE", `/store/carts/${cart}/line-items/${mug.id}`)
      await shop.until("the mug", async () => (await shop.stock("MUG")).reserved === 0 || undefined, 10)
      await shop.store("DELETE", `/store/carts/${cart}/line-items/${hot.id}`)
      await leftIs(5)
    })

    it("when its payment is canceled in Stripe, but not when it is replaced by another", async () => {
      await shop.putStock(HOT, 1)
      const { cartId, intentId } = await heldCart()
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
      expect(await left()).toBe(0)
      await shop.client.paymentIntents.cancel(payment_collection.payment_sessions.at(-1).data.id)
      await leftIs(1)
    })

    it("never before a payment that was made is decided about", async () => {
      await shop.putStock(HOT, 1)
      const rival = await buyers.cart(ONE)
      const { cartId, intentId } = await heldCart()
      const decide = await holdDecisions()
      await shop.confirm(intentId)
      await shop.until("the payment to wait", async () => (await shop.payment(intentId)) || undefined)
      await buyers.passTime(2_000, cartId)
      expect((await buyers.hold(rival)).status).toBe(409)
      await new Promise((resolve) => setTimeout(resolve, 5_000))
      expect(await left()).toBe(0)
      await decide()
      expect(await shop.settled([intentId])).toMatchObject([{ status: "completed" }])
    })
  })

  describe("whose completion by Medusa fails after it took the units", () => {
    it("holds them again, refuses them to others, and gets its order when it is paid", async () => {
      await shop.putStock(HOT, 1)
      shop.stripe.delivery = { hold: () => true }
      const { cartId, intentId } = await heldCart()
      const unpaid = await buyers.complete(cartId)
      expect(unpaid.body).not.toMatchObject({ type: "order" })
      expect(await shop.stock(HOT)).toEqual({ stocked: 1, reserved: 1, reservations: 1, raw: "1/1" })
      expect((await buyers.ask("GET", `/store/carts/${cartId}/hold`)).status).toBe(200)
      await shop.confirm(intentId)
      const paid = await buyers.complete(cartId)
      expect(paid.body).toMatchObject({ type: "order" })
      expect(await shop.stock(HOT)).toEqual({ stocked: 1, reserved: 1, reservations: 1, raw: "1/1" })
    })
  })

  describe("stays held", () => {
    const expiry = async (cart: string) => (await buyers.stored(cart))?.expires_at.getTime() ?? 0

    it("while its buyer is at work: another hold, a change of the cart, the start of a payment", async () => {
      await shop.putStock(HOT, 5)
      const { cartId } = await heldCart()
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
      const { cartId } = await heldCart()
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
