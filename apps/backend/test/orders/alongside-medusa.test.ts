import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { isNightly } from "../setup/nightly.ts"
import { closeShops } from "../setup/shop.ts"
import { HOT, StripeShop, times } from "./stripe-shop.ts"

describe("alongside Medusa's own flows, on the same item at the same time", () => {
  let shop: StripeShop
  beforeAll(async () => {
    shop = await StripeShop.open()
  })
  afterAll(() => shop?.close())
  afterAll(closeShops)

  const ITEMS = [{ sku: HOT, quantity: 1 }]

  /** Whether complete-cart placed the order; it answers with the cart where it could not. */
  const complete = async (cartId: string) => {
    const answer = await shop.store("POST", `/store/carts/${cartId}/complete`).catch(() => ({}))
    return answer.type === "order" ? (answer.order.id as string) : null
  }

  // Every run shows it of two processes too, in two-shops.
  it.runIf(isNightly)(
    "complete-cart and our settlement never sell more than there is, and lose no reservation",
    async () => {
      await shop.putStock(HOT, 12)
      const earlier = await shop.count(`"order"`)
      const carts = await times(10, (i) => shop.checkout(ITEMS, { email: `cart${i}@shop.example` }))
      const intents = await times(10, (i) => shop.intent({ items: ITEMS, email: `${i}@shop.example` }))
      // These carts are completed by the storefront alone: their webhooks never come.
      const theirs = new Set(carts.map(({ intentId }) => intentId))
      shop.stripe.delivery = { hold: ({ data }) => theirs.has((data.object as { id: string }).id) }
      for (const { intentId } of carts) await shop.confirm(intentId)

      const [placed] = await Promise.all([
        Promise.all(carts.map(({ cartId }) => complete(cartId))),
        Promise.all(intents.map((id) => shop.confirm(id))),
      ])
      const rows = await shop.settled(intents)

      const ours = rows.filter(({ status }) => status === "completed").length
      const sold = placed.filter((order) => order !== null).length + ours
      expect(sold).toBeLessThanOrEqual(12)
      expect(await shop.count(`"order"`)).toBe(earlier + sold)
      expect(await shop.stock(HOT)).toMatchObject({ stocked: 12, reserved: sold, reservations: sold })
      expect(rows.every(({ status }) => ["completed", "refunded"].includes(status))).toBe(true)
      shop.stripe.delivery = {}
    },
  )

  it("a storefront that completes its carts while their webhooks come makes one order of each, or none", async () => {
    await shop.putStock(HOT, 5)
    const carts = await times(10, (i) => shop.checkout(ITEMS, { email: `cart${i}@shop.example` }))
    await Promise.all(
      carts.map(async ({ cartId, intentId }) => {
        await shop.confirm(intentId)
        await complete(cartId)
      }),
    )
    const rows = await shop.settled(carts.map(({ intentId }) => intentId))
    const perCart = await shop.rows<{ orders: string }>(
      `SELECT count(order_id) AS orders FROM unnest($1::text[]) AS cart(id)
         LEFT JOIN order_cart ON order_cart.cart_id = cart.id AND order_cart.deleted_at IS NULL GROUP BY cart.id`,
      [carts.map(({ cartId }) => cartId)],
    )
    const sold = perCart.filter(({ orders }) => orders === "1").length
    expect(perCart.filter(({ orders }) => Number(orders) > 1)).toEqual([])
    expect(sold).toBe(5)
    expect(rows.filter(({ status }) => status === "completed")).toHaveLength(sold)
    expect(
      rows.filter(({ status }) => ["completed", "refunded", "canceled", "void"].includes(status)),
    ).toHaveLength(10)
    expect(await shop.stock(HOT)).toMatchObject({ stocked: 5, reserved: 5, reservations: 5 })
  })

  it("an admin who raises the stock during the rush sells what was added, and not one more", async () => {
    await shop.putStock(HOT, 5)
    const earlier = await shop.count(`"order"`)
    const intents = await times(30, (i) => shop.intent({ items: ITEMS, email: `late${i}@shop.example` }))
    const level = `/admin/inventory-items/${shop.itemOf(HOT)}/location-levels/${shop.seeded.locationId}`
    const first = Promise.all(intents.slice(0, 15).map((id) => shop.confirm(id)))
    await shop.admin("POST", level, { stocked_quantity: 12 })
    await first
    await shop.settled(intents.slice(0, 15))
    await Promise.all(intents.slice(15).map((id) => shop.confirm(id)))
    const rows = await shop.settled(intents)

    expect(rows.filter(({ status }) => status === "completed")).toHaveLength(12)
    expect(rows.filter(({ status }) => status === "refunded")).toHaveLength(18)
    expect(await shop.count(`"order"`)).toBe(earlier + 12)
    expect(await shop.stock(HOT)).toEqual({ stocked: 12, reserved: 12, reservations: 12, raw: "12/12" })
  })
})
