import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import { closeShops } from "../setup/shop.ts"
import { hold, untilItWaits } from "./standstill.ts"
import { HOT, StripeShop } from "./stripe-shop.ts"

const ONE = [{ sku: HOT, quantity: 1 }]

describe("a lock that can't be had in time", () => {
  let shop: StripeShop
  beforeAll(async () => {
    shop = await StripeShop.open({ HOLDFAST_LOCK_TIMEOUT: "0.5", HOLDFAST_LOCK_KEY: "both" })
  })
  afterAll(() => shop?.close())
  afterAll(closeShops)

  let letGo = async () => {}
  afterEach(() => letGo())

  /** Whoever holds the item's lock now stands still with it, until the test lets go of the item's row. */
  async function holdLevels() {
    const free = await hold(shop, "SELECT * FROM inventory_level FOR UPDATE")
    letGo = async () => {
      letGo = async () => {}
      await free()
    }
  }

  const failed = (intent: string) =>
    shop.until("the payment to be put off", async () => {
      const payment = await shop.payment(intent)
      return payment?.last_error ? { status: payment.status, last_error: payment.last_error } : undefined
    })

  it("leaves nothing of the payment behind, and the payment is settled when the lock is free again", async () => {
    await shop.putStock(HOT, 5)
    const orders = await shop.count(`"order"`)
    await holdLevels()
    // Medusa's own reservation: it holds the item's lock while it writes.
    const item = { inventory_item_id: shop.itemOf(HOT), location_id: shop.seeded.locationId, quantity: 1 }
    const reservation = shop.admin("POST", "/admin/reservations", item)
    await untilItWaits(shop)
    const intent = await shop.pay({ items: ONE })

    expect(await failed(intent)).toEqual({ status: "pending", last_error: "Timed-out acquiring lock." })
    expect(await shop.count(`"order"`)).toBe(orders)
    await letGo()
    await reservation
    const [payment] = await shop.settled([intent])
    expect(payment).toMatchObject({ status: "completed", last_error: null, attempts: 0 })
    expect(await shop.stock(HOT)).toEqual({ stocked: 5, reserved: 2, reservations: 2, raw: "5/2" })
  })

  it("may be that of the cart, which the storefront is completing", async () => {
    await shop.putStock(HOT, 5)
    const { cartId, intentId } = await shop.checkout(ONE)
    await shop.confirm(intentId)
    await shop.settled([intentId])
    const again = await shop.checkout(ONE)
    await holdLevels()
    shop.stripe.delivery = { hold: (event) => JSON.stringify(event.data.object).includes(again.intentId) }
    await shop.confirm(again.intentId)
    // Medusa's own completion: it holds the cart's lock while it reserves.
    const completion = shop.store("POST", `/store/carts/${again.cartId}/complete`)
    await untilItWaits(shop)
    shop.stripe.delivery = {}
    shop.stripe.releaseHeld()

    const { status, last_error } = await failed(again.intentId)
    expect(status).toBe("pending")
    expect(last_error).toContain(again.cartId)
    await letGo()
    const { order } = await completion
    const [payment] = await shop.settled([again.intentId])
    expect(payment).toMatchObject({ status: "completed", order_id: order.id })
    expect(await shop.count("order_cart WHERE cart_id = ANY($1)", [[cartId, again.cartId]])).toBe(2)
    expect(await shop.stock(HOT)).toEqual({ stocked: 5, reserved: 2, reservations: 2, raw: "5/2" })
  })
})
