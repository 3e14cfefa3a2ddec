import { type LocalRedis, startRedis } from "@holdfast/redis-local"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { closeShops } from "../setup/shop.ts"
import { StripeShop, times } from "./stripe-shop.ts"

const MUG = [{ sku: "MUG", quantity: 1 }]

describe("a shop with its locks, its event bus and its workflow engine in Redis", () => {
  let redis: LocalRedis
  let shop: StripeShop
  beforeAll(async () => {
    redis = await startRedis()
    shop = await StripeShop.open({ REDIS_URL: redis.url, HOLDFAST_REDIS_MODULES: "true" })
  })
  afterAll(async () => {
    await shop?.close()
    await redis?.kill()
  })
  afterAll(closeShops)

  const payments = (count: number, capture: "automatic" | "manual") =>
    times(count, (i) => shop.intent({ items: MUG, capture, email: `buyer${i}@shop.example` }))
  const heard = (what: string) => shop.until(what, () => shop.logs.includes(what) || undefined, 15)

  it("has them there", async () => {
    const keys = await redis.say("KEYS", "*")
    expect(keys).toMatch(/events-queue/)
    expect(keys).toMatch(/medusa-workflows/)
  })

  it("hears the store's other events while 60 payments are worked on, however long Stripe takes", async () => {
    const intents = await payments(60, "manual")
    const capture = shop.stripe.faults.next("POST /v1/payment_intents/*/capture", {
      hang: "before",
      times: Number.POSITIVE_INFINITY,
    })
    await Promise.all(intents.map((id) => shop.confirm(id)))
    await capture.reached
    const { customer } = await shop.admin("POST", "/admin/customers", { email: "unrelated@shop.example" })
    await heard(`Customer created: ${customer.id}`)
    const open = await shop.payments(intents)
    expect(open.filter(({ status }) => status === "completed")).toEqual([])

    capture.remove()
    capture.release()
    const rows = await shop.settled(intents)
    expect(rows.map(({ status }) => status)).toEqual(intents.map(() => "completed"))
    for (const { order_id } of rows) await heard(`Order placed: ${order_id}`)
    expect(shop.announcements("")).toBe(60)
  })

  it("answers a webhook while Redis does not answer, and makes the order when it does again", async () => {
    const [intent = ""] = await payments(1, "automatic")
    process.kill(redis.pid, "SIGSTOP")
    try {
      await shop.confirm(intent)
      await shop.stripe.idle()
      const [delivery, ...more] = shop.stripe.deliveries.filter(({ event, type }) => {
        const object = shop.stripe.events.find(({ id }) => id === event)?.data.object as { id: string }
        return type === "payment_intent.succeeded" && object.id === intent
      })
      expect(more).toEqual([])
      expect(delivery).toMatchObject({ status: 200, attempt: 1 })
    } finally {
      process.kill(redis.pid, "SIGCONT")
    }
    expect(await shop.settled([intent])).toMatchObject([{ status: "completed" }])
  })

  it("answers a payment's webhooks and captures others while the event bus does not take its order.placed", async () => {
    const [announced = "", other = ""] = await payments(2, "manual")
    const calls = [announced, other].map((id) =>
      shop.stripe.faults.next(`POST /v1/payment_intents/${id}/capture`, { hang: "before" }),
    )
    await Promise.all([announced, other].map((id) => shop.confirm(id)))
    await Promise.all(calls.map(({ reached }) => reached))
    await shop.stripe.idle()
    const before = shop.stripe.deliveries.length
    const capturedAt = async (id: string) =>
      (await shop.rows("SELECT captured_at FROM stripe_payment WHERE id = $1", [id]))[0]?.captured_at ??
      undefined
    process.kill(redis.pid, "SIGSTOP")
    try {
      // Stripe's events about the capture come while it is announced.
      shop.stripe.delivery = { hold: () => true }
      calls[0]?.release()
      const emitting =
        "state = 'idle in transaction' AND state_change < clock_timestamp() - interval '500 ms'"
      await shop.until("the announcement to hang", async () => {
        const count = await shop.count(`pg_stat_activity WHERE datname = current_database() AND ${emitting}`)
        return count > 0 || undefined
      })
      expect(await shop.payment(announced)).toMatchObject({ status: "ordered" })
      shop.stripe.delivery = {}
      await shop.stripe.releaseHeld()
      const answers = shop.stripe.deliveries.slice(before).map(({ status, attempt }) => ({ status, attempt }))
      expect(answers.length).toBeGreaterThan(0)
      expect(answers).toEqual(answers.map(() => ({ status: 200, attempt: 1 })))
      calls[1]?.release()
      await shop.until("the other payment's capture", () => capturedAt(other))
    } finally {
      process.kill(redis.pid, "SIGCONT")
    }
    const rows = await shop.settled([announced, other])
    expect(rows.map(({ status }) => status)).toEqual(["completed", "completed"])
    for (const { order_id } of rows) {
      await heard(`Order placed: ${order_id}`)
      expect(shop.announcements(order_id)).toBe(1)
    }
  })

  it("works on 20 payments without a restart after Redis lost all its data", async () => {
    const intents = await payments(20, "manual")
    await redis.wipe()
    await Promise.all(intents.map((id) => shop.confirm(id)))
    const rows = await shop.settled(intents)
    expect(rows.map(({ status }) => status)).toEqual(intents.map(() => "completed"))
  })
})
