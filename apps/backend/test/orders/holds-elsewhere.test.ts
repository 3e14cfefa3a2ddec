import { type LocalRedis, startRedis } from "@holdfast/redis-local"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { isNightly } from "../setup/nightly.ts"
import { closeShops } from "../setup/shop.ts"
import { Buyers } from "./buyers.ts"
import { HOT, StripeShop } from "./stripe-shop.ts"

const ONE = [{ sku: HOT, quantity: 1 }]

describe("holds of a shop with its locks, its event bus and its workflow engine in Redis, and with limits", () => {
  let redis: LocalRedis
  let shop: StripeShop
  let buyers: Buyers
  beforeAll(async () => {
    redis = await startRedis()
    const limits = { unitsPerCart: 3, linesPerCart: 2, perCustomer: 2, perIp: 2 }
    shop = await StripeShop.open({
      REDIS_URL: redis.url,
      HOLDFAST_REDIS_MODULES: "true",
      HOLDFAST_HOLD: JSON.stringify(limits),
    })
    buyers = new Buyers(shop)
  })
  afterAll(async () => {
    await shop?.close()
    await redis?.kill()
  })
  afterAll(closeShops)

  const forget = async () => {
    await shop.rows("DELETE FROM stripe_hold")
    await shop.putStock(HOT, 9)
    await shop.putStock("MUG", 9)
  }

  it("refuse a cart that wants too much, and say what to do", async () => {
    await forget()
    const big = await buyers.hold(await buyers.cart([{ sku: HOT, quantity: 4 }]))
    expect(big).toMatchObject({ status: 400, body: { code: "hold_limit" } })
    expect(big.body.message).toMatch(
      /can hold 3 units at most, and this one has 4. It can be bought without a hold/,
    )
    const long = await buyers.hold(
      await buyers.cart(["MUG", "SHIRT-S", "SHIRT-M"].map((sku) => ({ sku, quantity: 1 }))),
    )
    expect(long).toMatchObject({ status: 400, body: { message: expect.stringMatching(/2 lines at most/) } })
  })

  it("refuse a customer's third cart, and one buyer's third address, but never a renewal", async () => {
    await forget()
    const mine = []
    for (let i = 0; i < 3; i += 1) mine.push(await buyers.cart(ONE, "greedy@shop.example"))
    const [first = "", second = "", third = ""] = mine
    expect((await buyers.hold(first, { from: "203.0.113.1" })).status).toBe(200)
    expect((await buyers.hold(second, { from: "203.0.113.2" })).status).toBe(200)
    const refused = await buyers.hold(third, { from: "203.0.113.3" })
    expect(refused).toMatchObject({ status: 429, body: { code: "too_many_holds" } })
    expect(refused.body.message).toMatch(/This customer holds 2 carts already.+give it back/)
    expect((await buyers.hold(first, { from: "203.0.113.1" })).status).toBe(200)
    expect((await buyers.ask("DELETE", `/store/carts/${second}/hold`)).status).toBe(200)
    expect((await buyers.hold(third, { from: "203.0.113.3" })).status).toBe(200)

    const [a = "", b = ""] = [await buyers.cart(ONE), await buyers.cart(ONE)]
    // Only the last address is the proxy's word; what is left of it is the buyer's own.
    expect((await buyers.hold(a, { from: "198.51.100.7, 203.0.113.1" })).status).toBe(200)
    expect(await buyers.hold(b, { from: "198.51.100.8, 203.0.113.1" })).toMatchObject({ status: 429 })
    const stored = await shop.rows<{ ip_hash: string }>("SELECT DISTINCT ip_hash FROM stripe_hold")
    expect(stored.every(({ ip_hash }) => /^[\w-]{43}$/.test(ip_hash))).toBe(true)
  })

  it("count exactly, however many of one customer's carts ask at once", async () => {
    await forget()
    const carts = []
    for (let i = 0; i < 5; i += 1) carts.push(await buyers.cart(ONE, "hurried@shop.example"))
    const answers = await Promise.all(
      carts.map((cart, i) => buyers.hold(cart, { from: `203.0.113.${i + 50}` })),
    )
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 200, 429, 429, 429])
  })

  it("are known to Medusa's own complete-cart, also when it fails first, and where the cart holds them", async () => {
    await forget()
    const { stock_location } = await shop.admin("POST", "/admin/stock-locations", { name: "Annex" })
    await shop.admin("POST", `/admin/stock-locations/${stock_location.id}/sales-channels`, {
      add: [shop.seeded.salesChannelId],
    })
    await shop.admin("POST", `/admin/inventory-items/${shop.itemOf(HOT)}/location-levels`, {
      location_id: stock_location.id,
      stocked_quantity: 1,
    })
    await shop.rows(
      `UPDATE inventory_level SET stocked_quantity = 0, raw_stocked_quantity = '{"value":"0","precision":20}'
        WHERE inventory_item_id = $1 AND location_id = $2`,
      [shop.itemOf(HOT), shop.seeded.locationId],
    )
    shop.stripe.delivery = { hold: () => true }
    const { cartId, intentId } = await shop.checkout(ONE)
    expect((await buyers.hold(cartId, { from: "203.0.113.99" })).status).toBe(200)
    expect((await buyers.complete(cartId)).body).not.toMatchObject({ type: "order" })
    expect((await buyers.ask("GET", `/store/carts/${cartId}/hold`)).status).toBe(200)
    await shop.confirm(intentId)
    expect((await buyers.complete(cartId)).body).toMatchObject({ type: "order" })
    const reserved = await shop.rows(
      `SELECT location_id, reserved_quantity::int AS reserved FROM inventory_level
        WHERE inventory_item_id = $1 ORDER BY reserved_quantity`,
      [shop.itemOf(HOT)],
    )
    expect(reserved).toEqual([
      { location_id: shop.seeded.locationId, reserved: 0 },
      { location_id: stock_location.id, reserved: 1 },
    ])
  })

  it("are made by the workflow, and credited to a completion that the store's own code runs", async () => {
    await forget()
    await shop.putStock("MUG", 2)
    shop.stripe.delivery = { hold: () => true }
    const cart = await buyers.cart([{ sku: "MUG", quantity: 1 }])
    const { cartId, intentId } = await shop.checkout([{ sku: "MUG", quantity: 1 }])
    await shop.confirm(intentId)
    const log = await shop.script("./hold.mjs", [cart, cartId]).finished
    const result = JSON.parse(log.split("RESULT ")[1]?.split("\n")[0] ?? "")
    expect(result.hold).toMatchObject({ cart_id: cart, items: [{ quantity: 1 }] })
    expect(result.error).toContain("There is no cart cart_none")
    expect(result.order.id).toMatch(/^order_/)
    expect(await shop.stock("MUG")).toEqual({ stocked: 2, reserved: 2, reservations: 2, raw: "2/2" })
  })
})

describe("holds of a shop that decrements its stock", () => {
  let shop: StripeShop
  let buyers: Buyers
  beforeAll(async () => {
    shop = await StripeShop.open({ HOLDFAST_STOCK: "decrement" })
    buyers = new Buyers(shop)
  })
  afterAll(() => shop?.close())
  afterAll(closeShops)

  it("reserve, and the order lowers the stock instead", async () => {
    await shop.putStock(HOT, 1)
    const { cartId, intentId } = await shop.checkout(ONE)
    expect((await buyers.hold(cartId)).status).toBe(200)
    expect(await shop.stock(HOT)).toEqual({ stocked: 1, reserved: 1, reservations: 1, raw: "1/1" })
    expect(await shop.settled([await shop.pay({ items: ONE })])).toMatchObject([{ status: "refunded" }])
    await shop.confirm(intentId)
    expect(await shop.settled([intentId])).toMatchObject([{ status: "completed" }])
    expect(await shop.stock(HOT)).toEqual({ stocked: 0, reserved: 0, reservations: 0, raw: "0/0" })
  })

  it.runIf(isNightly)("are not there where the store does without", async () => {
    await shop.restart({ HOLDFAST_HOLD: "false" })
    await shop.putStock(HOT, 1)
    const { status, body } = await buyers.hold(await buyers.cart(ONE))
    expect({ status, body }).toMatchObject({
      status: 404,
      body: { message: expect.stringMatching(/option hold is false/) },
    })
  })
})
