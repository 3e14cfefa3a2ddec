import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { isNightly } from "../setup/nightly.ts"
import { closeShops } from "../setup/shop.ts"
import { HOT, StripeShop, times } from "./stripe-shop.ts"

/** Every other test locks by the payment intent, the default. */
const LOCK_KEYS = isNightly ? ["payment_intent", "cart", "both"] : ["both"]

describe.each(LOCK_KEYS)("the seed's race, locked by %s", (lockKey) => {
  let shop: StripeShop
  beforeAll(async () => {
    shop = await StripeShop.open({ HOLDFAST_LOCK_KEY: lockKey })
  })
  afterAll(() => shop.close())
  afterAll(closeShops)

  it.each(isNightly ? [5, 10, 20] : [10])(
    "50 different payments at once on a stock of %d: never oversold, exactly as many orders",
    async (stock) => {
      await shop.putStock(HOT, stock)
      const ordersBefore = await shop.count(`"order"`)
      const intents = await times(50, (i) =>
        shop.intent({
          items: [{ sku: HOT, quantity: 1 }],
          email: `buyer${i}@shop.example`,
          capture: i % 2 ? "manual" : "automatic",
        }),
      )
      await Promise.all(intents.map((id) => shop.confirm(id)))
      const rows = await shop.settled(intents)

      const statuses = rows.map(({ status }) => status)
      expect(statuses.filter((status) => status === "completed")).toHaveLength(stock)
      expect(statuses.filter((status) => status === "refunded" || status === "canceled")).toHaveLength(
        50 - stock,
      )
      expect(await shop.count(`"order"`)).toBe(ordersBefore + stock)
      expect(await shop.stock(HOT)).toEqual({
        stocked: stock,
        reserved: stock,
        reservations: stock,
        raw: `${stock}/${stock}`,
      })
    },
  )
})
