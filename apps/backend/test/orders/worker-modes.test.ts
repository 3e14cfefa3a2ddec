import { afterAll, beforeAll, describe, expect, it } from "vitest"
import type { Shop } from "../../launch/shop.ts"
import { isNightly } from "../setup/nightly.ts"
import { closeShops } from "../setup/shop.ts"
import { hold, untilItWaits } from "./standstill.ts"
import { StripeShop, times } from "./stripe-shop.ts"

const MUG = [{ sku: "MUG", quantity: 1 }]

/** One process that answers requests, and two that work. */
describe("the worker is a process's own matter", () => {
  let shop: StripeShop
  let first: Shop
  let second: Shop
  beforeAll(async () => {
    shop = await StripeShop.open({ MEDUSA_WORKER_MODE: "server", HOLDFAST_FETCH_EVENTS_EVERY: "300" })
  })
  afterAll(async () => {
    await second?.stop()
    await shop?.close()
  })
  afterAll(closeShops)

  const worker = () => shop.another({ MEDUSA_WORKER_MODE: "worker" })
  const decider = async () => {
    const [lease] = await shop.rows<{ holder: string }>(
      "SELECT holder FROM stripe_lease WHERE id = 'decide' AND expires_at > clock_timestamp()",
    )
    return lease?.holder
  }
  const decides = ({ pid }: Shop) =>
    shop.until("a worker to decide", async () => (await decider())?.includes(`-${pid}-`) || undefined)
  const seconds = async (work: () => Promise<unknown>) => {
    const began = performance.now()
    await work()
    return (performance.now() - began) / 1000
  }

  const OLD = "stripe_event WHERE id LIKE 'evt_old_%' AND payload IS NOT NULL"
  const looks = () => shop.stripe.requests.filter(({ path }) => path === "/v1/events")

  it("in server mode nothing is worked on, and a process in worker mode takes it up", async () => {
    await shop.rows(
      `INSERT INTO stripe_event (id, type, livemode, created, status, payload, created_at)
       SELECT 'evt_old_' || n, 'customer.created', true, now() - interval '100 days', 'ignored', repeat('x', 2000),
              now() - interval '100 days' FROM generate_series(1, 20000) AS n`,
    )
    const intent = await shop.pay({ items: MUG, capture: "manual" })
    await shop.stripe.idle()
    // A worker would have taken its lease before the shop answered its first request.
    expect(await shop.rows("SELECT * FROM stripe_lease")).toEqual([])
    expect(await shop.payment(intent)).toMatchObject({ status: "pending", claim: null })
    // Nor are Stripe's events fetched, or old ones pruned.
    expect(looks()).toEqual([])
    expect(await shop.count(OLD)).toBe(20_000)
    const health = async () => await (await fetch(`${shop.url}/health/holdfast`)).json()
    expect(await health()).toEqual({
      status: "degraded",
      reasons: [{ check: "worker", says: "no worker lives: start a process in worker or shared mode" }],
    })
    await shop.rows("UPDATE stripe_payment SET due_at = now() - interval '90 seconds'")
    const waits = /^the oldest payment that is due waits since 9\d s \(pending\)$/
    await shop.until("the health to tell of it", async () => {
      const { reasons } = (await health()) as { reasons: { check: string; says: string }[] }
      return reasons.some(({ says }) => waits.test(says)) || undefined
    })

    first = await worker()
    expect(await shop.settled([intent])).toMatchObject([{ status: "completed" }])
    expect((await shop.client.paymentIntents.retrieve(intent)).status).toBe("succeeded")
    await decides(first)
    await shop.until("Stripe's events to be fetched", () => looks().length > 0 || undefined)
  })

  it("the worker prunes what is old, and webhooks are answered meanwhile", async () => {
    await shop.until("it to begin", async () => (await shop.count(OLD)) < 20_000 || undefined)
    const before = shop.stripe.deliveries.length
    while ((await shop.count(OLD)) > 0) {
      await shop.settled([await shop.pay({ items: MUG })])
    }
    await shop.stripe.idle()
    const answers = shop.stripe.deliveries.slice(before).map(({ status, attempt }) => ({ status, attempt }))
    expect(answers.length).toBeGreaterThan(0)
    expect(answers).toEqual(answers.map(() => ({ status: 200, attempt: 1 })))
    expect(await shop.count("stripe_event WHERE id LIKE 'evt_old_%'")).toBe(20_000)
  })

  it("a payment that comes to the server wakes the worker", async () => {
    const slowest = await seconds(async () => shop.settled(await times(5, () => shop.pay({ items: MUG }))))
    expect(slowest).toBeLessThan(10)
  })

  it("the one that decides is killed in the middle of it: the other decides, within seconds", async () => {
    second = await worker()
    await shop.until("the second to live", async () => (await shop.count("stripe_lease")) > 2 || undefined)
    expect(await decider()).toContain(`-${first.pid}-`)

    const free = await hold(shop, `LOCK TABLE "order" IN SHARE ROW EXCLUSIVE MODE`)
    const intents = await times(5, () => shop.pay({ items: MUG }))
    await untilItWaits(shop)
    await first.kill("SIGKILL")
    const took = await seconds(() => decides(second))
    await free()
    const rows = await shop.settled(intents)

    expect(took).toBeLessThan(8)
    expect(rows.map(({ status }) => status)).toEqual(intents.map(() => "completed"))
    const orders = rows.map(({ order_id }) => order_id)
    expect(new Set(orders).size).toBe(intents.length)
    expect(await shop.count(`"order" WHERE id = ANY($1)`, [orders])).toBe(intents.length)
  })

  it.runIf(isNightly)("one that ends in order gives its leases back at once", async () => {
    first = await worker()
    await second.kill("SIGTERM")
    const took = await seconds(() => decides(first))
    expect(took).toBeLessThan(3)
    second = first
  })
})
