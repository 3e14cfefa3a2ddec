import { type LocalRedis, startRedis } from "@holdfast/redis-local"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import type { Shop } from "../../launch/shop.ts"
import { isNightly } from "../setup/nightly.ts"
import { closeShops } from "../setup/shop.ts"
import { HOT, StripeShop, times, WEBHOOK_SECRET } from "./stripe-shop.ts"

/** Other tests have two processes with their locks in the database: turns, holds, crash. */
const PLACES = isNightly ? ["its database", "Redis"] : ["Redis"]

/** Two processes of one shop, which share their locks by its database or by Redis. Stripe delivers every event to both. */
describe.each(PLACES)("two processes of one shop, with their locks in %s", (place) => {
  let redis: LocalRedis | undefined
  let shop: StripeShop
  let other: Shop
  beforeAll(async () => {
    if (place === "Redis") redis = await startRedis()
    shop = await StripeShop.open(redis ? { REDIS_URL: redis.url } : {})
    other = await shop.another()
    shop.stripe.addWebhookEndpoint({ url: `${other.url}/hooks/stripe`, secret: WEBHOOK_SECRET })
  })
  afterAll(async () => {
    await other?.stop()
    await shop?.close()
    await redis?.kill()
  })
  afterAll(closeShops)

  const ITEMS = [{ sku: HOT, quantity: 1 }]

  const payments = (count: number) =>
    times(count, (i) =>
      shop.intent({
        items: ITEMS,
        email: `buyer${i}@shop.example`,
        capture: i % 2 ? "manual" : "automatic",
      }),
    )

  /** The storefront's own way, at one of the two: whether Medusa's complete-cart placed the order. */
  async function complete(url: string, cartId: string): Promise<boolean> {
    const headers = { "x-publishable-api-key": shop.seeded.publishableKey }
    const response = await fetch(`${url}/store/carts/${cartId}/complete`, { method: "POST", headers })
    const { type } = (await response.json()) as { type?: string }
    return type === "order"
  }

  async function sold(intents: string[]): Promise<number> {
    const rows = await shop.settled(intents)
    expect(rows.filter(({ status }) => !["completed", "refunded", "canceled"].includes(status))).toEqual([])
    const orders = rows.filter(({ status }) => status === "completed").map(({ order_id }) => order_id)
    expect(new Set(orders).size).toBe(orders.length)
    return orders.length
  }

  it("never sell more than there is, and make one order of each payment, beside Medusa's own flow", async () => {
    await shop.putStock(HOT, 20)
    const earlier = await shop.count(`"order"`)
    const intents = await payments(60)
    const carts = await times(10, (i) => shop.checkout(ITEMS, { email: `cart${i}@shop.example` }))
    // These carts are completed by the storefront alone: their webhooks never come.
    const theirs = new Set(carts.map(({ intentId }) => intentId))
    shop.stripe.delivery = { hold: ({ data }) => theirs.has((data.object as { id: string }).id) }
    for (const { intentId } of carts) await shop.confirm(intentId)

    const [placed] = await Promise.all([
      Promise.all(carts.map(({ cartId }, i) => complete(i % 2 ? other.url : shop.url, cartId))),
      Promise.all(intents.map((id) => shop.confirm(id))),
    ])
    const all = (await sold(intents)) + placed.filter(Boolean).length

    expect(all).toBe(20)
    expect(await shop.count(`"order"`)).toBe(earlier + 20)
    expect(await shop.stock(HOT)).toEqual({ stocked: 20, reserved: 20, reservations: 20, raw: "20/20" })
    shop.stripe.delivery = {}
  }, 180_000)

  it("go on without the one that is killed in the middle of a rush, and do nothing twice", async () => {
    await shop.putStock(HOT, 10)
    const earlier = await shop.count(`"order"`)
    const intents = await payments(30)
    const rush = Promise.all(intents.map((id) => shop.confirm(id)))
    const decided = `stripe_payment WHERE id = ANY($1) AND status <> 'pending'`
    await shop.until(
      "some to be decided",
      async () => (await shop.count(decided, [intents])) > 0 || undefined,
    )
    await shop.kill()
    await rush

    // What it held is free after 10 s, and not after the 120 s of the plugin's lock.ttl.
    expect(await sold(intents)).toBe(10)
    expect(await shop.count(`"order"`)).toBe(earlier + 10)
    expect(await shop.stock(HOT)).toEqual({ stocked: 10, reserved: 10, reservations: 10, raw: "10/10" })
  }, 180_000)
})
