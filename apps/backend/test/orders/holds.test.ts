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

  describe("is told", () => {
    it("what is held and until when, and reads it again", async () => {
      await shop.putStock(HOT, 5)
      const cart = await buyers.cart(TWO)
      const asked = Date.now()
      const { status, body } = await buyers.hold(cart)
      expect(status).toBe(200)
      expect(body.hold).toMatchObject({ cart_id: cart, items: [{ quantity: 2 }] })
      expect(Math.abs(Date.parse(body.hold.expires_at) - asked - 900_000)).toBeLessThan(5_000)
      expect(await buyers.left(HOT)).toBe(3)
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
      await buyers.heldCheckout(TWO)
      await buyers.heldCheckout(ONE)
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
      const { cartId, intentId } = await buyers.heldCheckout(ONE)
      await shop.confirm(intentId)
      await shop.settled([intentId])
      expect(await buyers.hold(cartId)).toMatchObject({ status: 409, body: { code: "cart_completed" } })
    })
  })

  describe("is never refused what it holds", () => {
    it("when its payment becomes an order, though others paid before it", async () => {
      await shop.putStock(HOT, 1)
      const { cartId, intentId } = await buyers.heldCheckout(ONE)
      const rival = await shop.pay({ items: ONE })
      expect(await shop.settled([rival])).toMatchObject([{ status: "refunded" }])
      await shop.confirm(intentId)
      expect(await shop.settled([intentId])).toMatchObject([{ status: "completed" }])
      expect(await shop.stock(HOT)).toEqual({ stocked: 1, reserved: 1, reservations: 1, raw: "1/1" })
      expect(await buyers.stored(cartId)).toBeUndefined()
    })

    it("when both are decided in one batch, the other first", async () => {
      await shop.putStock(HOT, 1)
      const { intentId } = await buyers.heldCheckout(ONE)
      const decide = await buyers.holdDecisions()
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
      const { cartId, intentId } = await buyers.heldCheckout(ONE)
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
      const { cartId } = await buyers.heldCheckout(TWO)
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
      expect(await buyers.left(HOT)).toBe(0)
    })
  })

  describe("whose completion by Medusa fails after it took the units", () => {
    it("holds them again, refuses them to others, and gets its order when it is paid", async () => {
      await shop.putStock(HOT, 1)
      shop.stripe.delivery = { hold: () => true }
      const { cartId, intentId } = await buyers.heldCheckout(ONE)
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
})
