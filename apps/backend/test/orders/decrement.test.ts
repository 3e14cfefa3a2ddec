import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { closeShops } from "../setup/shop.ts"
import { HOT, StripeShop, times } from "./stripe-shop.ts"

describe("a shop that decrements its stock", () => {
  let shop: StripeShop
  beforeAll(async () => {
    shop = await StripeShop.open({ HOLDFAST_STOCK: "decrement" })
  })
  afterAll(() => shop?.close())
  afterAll(closeShops)

  it("lowers what is stocked, in both of Medusa's columns, and reserves nothing", async () => {
    await shop.putStock("MUG", 10)
    const [payment] = await shop.settled([await shop.pay({ items: [{ sku: "MUG-PAIR", quantity: 2 }] })])
    expect(payment?.status).toBe("completed")
    expect(await shop.stock("MUG")).toEqual({ stocked: 6, reserved: 0, reservations: 0, raw: "6/0" })
  })

  it("doesn't sell what somebody else has reserved", async () => {
    await shop.putStock("MUG", 3)
    await shop.admin("POST", "/admin/reservations", {
      inventory_item_id: shop.itemOf("MUG"),
      location_id: shop.seeded.locationId,
      quantity: 2,
    })
    const [payment] = await shop.settled([await shop.pay({ items: [{ sku: "MUG", quantity: 2 }] })])
    expect(payment?.status).toBe("refunded")
    expect(await shop.stock("MUG")).toMatchObject({ stocked: 3, reserved: 2 })
  })

  it("never sells more than there is in the seed's race", async () => {
    await shop.putStock(HOT, 10)
    const intents = await times(50, (i) =>
      shop.intent({ items: [{ sku: HOT, quantity: 1 }], email: `${i}@shop.example` }),
    )
    await Promise.all(intents.map((id) => shop.confirm(id)))
    const rows = await shop.settled(intents)
    expect(rows.filter(({ status }) => status === "completed")).toHaveLength(10)
    expect(await shop.stock(HOT)).toEqual({ stocked: 0, reserved: 0, reservations: 0, raw: "0/0" })
  })

  it("says once at its start what Medusa can't do then", () => {
    const warned = shop.logs.match(
      /decrement\W+makes no reservations: the stock of a canceled order does not come back/g,
    )
    expect(warned).toHaveLength(1)
  })
})
