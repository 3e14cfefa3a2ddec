import { type LocalRedis, startRedis } from "@holdfast/redis-local"
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"
import type { Shop } from "../../launch/shop.ts"
import { isNightly } from "../setup/nightly.ts"
import { closeShops } from "../setup/shop.ts"
import { holdDeciding } from "./standstill.ts"
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
  })

  describe("count a promotion", () => {
    const LANTERN = "LANTERN-STANDARD"
    const OFF = 4.8

    const ids = new Map<string, { promotion: string; campaign?: string }>()

    /** Ten percent off the order, so often as `limit` or the campaign's `budget` says. */
    async function offer(code: string, more: { limit?: number; budget?: Record<string, unknown> }) {
      const { limit, budget } = more
      const method = { type: "percentage", target_type: "order", value: 10, allocation: "across" }
      const campaign =
        budget &&
        (await shop.admin("POST", "/admin/campaigns", { name: code, campaign_identifier: code, budget }))
          .campaign.id
      const { promotion } = await shop.admin("POST", "/admin/promotions", {
        code,
        type: "standard",
        status: "active",
        limit,
        campaign_id: campaign,
        application_method: { ...method, currency_code: "usd" },
      })
      ids.set(code, { promotion: promotion.id, campaign })
    }

    // One after the other: Medusa refuses two first carts of one guest at once.
    async function carts(code: string, emails: string[], sku = LANTERN) {
      const all: { cartId: string; intentId: string }[] = []
      for (const email of emails)
        all.push(await shop.checkout([{ sku, quantity: 1 }], { promotion: code, email }))
      return all
    }
    const paid = async (all: { intentId: string }[]) => {
      await Promise.all(all.map(({ intentId }) => shop.confirm(intentId)))
      return await shop.settled(all.map(({ intentId }) => intentId))
    }
    const usedOf = async (code: string) => {
      const [row] = await shop.rows(
        `SELECT promotion.used AS orders, budget.used::float8 AS budget, (raw_used ->> 'value')::float8 AS raw
           FROM promotion LEFT JOIN promotion_campaign_budget AS budget USING (campaign_id) WHERE code = $1`,
        [code],
      )
      return row
    }
    const emails = (count: number) => Array.from({ length: count }, (_, i) => `promo${i}@shop.example`)
    const states = (rows: { status: string }[]) => rows.map(({ status }) => status).sort()

    beforeEach(() => shop.putStock(LANTERN, 50))

    const ofItself = {
      by: "its own limit",
      code: "ONCE",
      more: { limit: 1 },
      raise: { of: "promotions", body: { limit: 2 } },
      used: { orders: 1, budget: null, raw: null },
      what: "orders: 1 of 1",
    }
    const ofItsCampaign = {
      by: "its campaign's budget of uses",
      code: "CAMPAIGN",
      more: { budget: { type: "usage", limit: 1 } },
      raise: { of: "campaigns", body: { budget: { limit: 2 } } },
      used: { orders: 0, budget: 1, raw: 1 },
      what: "orders of its campaign: 1 of 1",
    }

    it.each(isNightly ? [ofItself, ofItsCampaign] : [ofItself])(
      "once for each order, where $by gives one and many have paid",
      async ({ code, more, raise, used, what }) => {
        await offer(code, more)
        await shop.putStock("MUG", 50)
        // Of different items, so that several transactions want the last use.
        const all = [...(await carts(code, emails(4))), ...(await carts(code, emails(4), "MUG"))]
        const rows = await paid(all)
        expect(states(rows)).toEqual(["completed", ...Array(7).fill("review")])
        expect(await usedOf(code)).toEqual(used)
        const { reserved } = await shop.stock(LANTERN)
        expect(reserved + (await shop.stock("MUG")).reserved).toBe(1)
        const refused = all.filter(({ intentId }) => rows.some((row) => row.id === intentId && !row.order_id))
        const [{ cartId, intentId }] = refused as [(typeof all)[0]]
        expect((await shop.payment(intentId)).reason).toBe(
          `promotion ${code} of cart ${cartId} is used up (${what}): raise the limit and retry, or refund the payment`,
        )
        // Medusa's own cart completion says the same.
        await expect(shop.store("POST", `/store/carts/${cartId}/complete`)).rejects.toThrow("exceeds the")

        const { promotion, campaign } = ids.get(code) ?? {}
        const id = raise.of === "campaigns" ? campaign : promotion
        await shop.admin("POST", `/admin/${raise.of}/${id}`, raise.body)
        await shop.admin("POST", `/admin/stripe-payments/${intentId}/retry`)
        await shop.until(
          "the order",
          async () => (await shop.payment(intentId)).status === "completed" || undefined,
        )
        expect(await usedOf(code)).toMatchObject(raise.of === "campaigns" ? { budget: 2 } : { orders: 2 })
      },
    )

    it("by what it took off, where its campaign has a budget of money", async () => {
      await offer("MONEY", { budget: { type: "spend", limit: 10, currency_code: "usd" } })
      const rows = await paid(await carts("MONEY", emails(3)))
      expect(states(rows)).toEqual(["completed", "completed", "review"])
      const { reason } = rows.find(({ status }) => status === "review") ?? {}
      expect(reason).toContain("is used up (money spent by its campaign: 9.6 of 10)")
      expect(await usedOf("MONEY")).toEqual({ orders: 0, budget: 2 * OFF, raw: 2 * OFF })
    })

    it("for each buyer, where the budget is each buyer's own", async () => {
      await offer("MINE", { budget: { type: "use_by_attribute", attribute: "customer_email", limit: 1 } })
      const rows = await paid(
        await carts("MINE", ["one@shop.example", "one@shop.example", "two@shop.example"]),
      )
      expect(states(rows)).toEqual(["completed", "completed", "review"])
      expect(rows.find(({ status }) => status === "review")?.reason).toContain(
        "is used up (orders of its campaign with this customer_email: 1 of 1)",
      )
      expect(await usedOf("MINE")).toMatchObject({ budget: 2, raw: 2 })
      const uses = await shop.rows(
        `SELECT attribute_value AS buyer, usage.used::int AS used FROM promotion_campaign_budget_usage AS usage
           JOIN promotion_campaign_budget AS budget ON budget.id = usage.budget_id WHERE campaign_id = $1 ORDER BY 1`,
        [ids.get("MINE")?.campaign],
      )
      expect(uses).toEqual([
        { buyer: "one@shop.example", used: 1 },
        { buyer: "two@shop.example", used: 1 },
      ])
    })

    it("not for an order that found no stock: the next of the same batch has its use", async () => {
      await offer("SOLDOUT", { limit: 1 })
      const big = await shop.checkout([{ sku: LANTERN, quantity: 2 }], { promotion: "SOLDOUT" })
      const [small] = (await carts("SOLDOUT", emails(1))) as [typeof big]
      await shop.putStock(LANTERN, 1)
      const letDecide = await holdDeciding(shop)
      for (const { intentId } of [big, small]) await shop.confirm(intentId)
      await shop.until(
        "both events",
        async () => (await shop.payments([big.intentId, small.intentId])).length === 2 || undefined,
      )
      await letDecide()
      await shop.settled([big.intentId, small.intentId])
      expect(await shop.payment(big.intentId)).toMatchObject({ status: "canceled" })
      expect(await shop.payment(small.intentId)).toMatchObject({ status: "completed" })
      expect(await usedOf("SOLDOUT")).toMatchObject({ orders: 1 })
    })
  })

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
  })
})
