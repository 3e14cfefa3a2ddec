import { afterAll, beforeAll, describe, expect, it } from "vitest"
import type { Shop } from "../../launch/shop.ts"
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
    shop = await StripeShop.open({ MEDUSA_WORKER_MODE: "server" })
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

  it("in server mode nothing is worked on, and a process in worker mode takes it up", async () => {
    const intent = await shop.pay({ items: MUG, capture: "manual" })
    await shop.stripe.idle()
    // A worker would have taken its lease before the shop answered its first request.
    expect(await shop.rows("SELECT * FROM stripe_lease")).toEqual([])
    expect(await shop.payment(intent)).toMatchObject({ status: "pending", claim: null })

    first = await worker()
    expect(await shop.settled([intent])).toMatchObject([{ status: "completed" }])
    expect((await shop.client.paymentIntents.retrieve(intent)).status).toBe("succeeded")
    await decides(first)
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

  it("one that ends in order gives its leases back at once", async () => {
    first = await worker()
    await second.kill("SIGTERM")
    const took = await seconds(() => decides(first))
    expect(took).toBeLessThan(3)
    second = first
  })
})
