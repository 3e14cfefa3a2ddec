import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { closeShops } from "../setup/shop.ts"
import { forgetTheDead, hold, holdCommit, loseCommits, untilItWaits } from "./standstill.ts"
import { HOT, StripeShop } from "./stripe-shop.ts"

/**
 * The shop is killed (SIGKILL) at each step between the 200 and the finished order. No line of the plugin
 * helps: the test stops the shop where it wants it, by holding a database lock that the step needs or by
 * letting local Stripe hang, sees that it has got there, and kills it.
 */
describe("killed on the way from the 200 to the order", () => {
  let shop: StripeShop
  beforeAll(async () => {
    shop = await StripeShop.open({ HOLDFAST_WHEN_OUT_OF_STOCK: "partial" })
  })
  afterAll(() => shop?.close())
  afterAll(closeShops)

  /** Where the shop is to be stopped; resolves when it has got there. */
  type Stop = () => Promise<{ reached: Promise<unknown>; free: () => Promise<void> }>

  /** Holds what the shop's next statement needs, until it is freed. */
  const atStatement =
    (sql: string): Stop =>
    async () => {
      const free = await hold(shop, sql)
      return { reached: untilItWaits(shop), free }
    }

  const atStripe =
    (call: string, hang: "before" | "after"): Stop =>
    async () => {
      const fault = shop.stripe.faults.next(call, { hang })
      return {
        reached: fault.reached,
        free: async () => (hang === "before" ? fault.drop() : fault.release()),
      }
    }

  /** Its event doesn't say enough, so the shop asks Stripe. */
  const atLookup: Stop = async () => {
    shop.sendOldEvents()
    const stop = await atStripe("GET /v1/payment_intents/*", "before")()
    const free = async () => {
      shop.stripe.delivery = {}
      await stop.free()
    }
    return { ...stop, free }
  }

  /** Holds up the commit that makes `when`, a condition on the payment's row, come true. */
  const atCommit =
    (when: string): Stop =>
    async () => {
      const free = await holdCommit(shop, when)
      return { reached: untilItWaits(shop, "advisory"), free }
    }

  /** Between that commit and the shop's next step: it is frozen (SIGSTOP) while the commit goes through. */
  const afterCommit =
    (when: string): Stop =>
    async () => {
      const { reached, free } = await atCommit(when)()
      const frozen = reached.then(async () => {
        shop.freeze()
        await free()
      })
      return { reached: frozen, free: async () => {} }
    }

  const lockTable = (table: string) => `LOCK TABLE "${table}" IN SHARE ROW EXCLUSIVE MODE`
  const lockLevel = `SELECT * FROM inventory_level FOR UPDATE`

  async function killedAt(
    stop: Stop,
    { capture, stock, quantity = 1 }: { capture: "automatic" | "manual"; stock: number; quantity?: number },
  ) {
    await shop.putStock(HOT, stock)
    const intent = await shop.intent({ items: [{ sku: HOT, quantity }], capture })
    const { reached, free } = await stop()
    await shop.confirm(intent)
    await reached
    const before = await shop.payment(intent)
    await shop.kill()
    await free()
    await forgetTheDead(shop)
    await shop.restart()
    const [payment] = await shop.settled([intent])
    return { before, payment, intent }
  }

  const whole = async (orderId: string | null | undefined) => ({
    orders: await shop.count(`"order" WHERE id = $1`, [orderId]),
    lines: await shop.count(`order_item WHERE order_id = $1`, [orderId]),
    transactions: await shop.count(`order_transaction WHERE order_id = $1`, [orderId]),
    collections: await shop.count(`order_payment_collection WHERE order_id = $1`, [orderId]),
    captures: await shop.count(
      `capture c JOIN payment p ON p.id = c.payment_id JOIN order_payment_collection o USING (payment_collection_id) WHERE o.order_id = $1`,
      [orderId],
    ),
  })

  const onlyOnce = { orders: 1, lines: 1, transactions: 1, collections: 1, captures: 1 }
  const oneTaken = { stocked: 3, reserved: 1, reservations: 1, raw: "3/1" }
  const allOrders = () => shop.count(`"order"`)

  it.each<[string, "lookup" | "pending" | "ordered", "automatic" | "manual", Stop]>([
    ["while it asks Stripe about the payment", "lookup", "automatic", atLookup],
    ["before it takes the stock", "pending", "automatic", atStatement(lockLevel)],
    [
      "after it took the stock, before the reservation",
      "pending",
      "manual",
      atStatement(lockTable("reservation_item")),
    ],
    ["before the payment's rows", "pending", "automatic", atStatement(lockTable("payment_collection"))],
    ["before the order", "pending", "manual", atStatement(lockTable("order"))],
    ["before the order's links", "pending", "automatic", atStatement(lockTable("order_payment_collection"))],
    [
      "after the commit, before it captures",
      "ordered",
      "manual",
      atStripe("POST /v1/payment_intents/*/capture", "before"),
    ],
    [
      "after Stripe captured, before it hears so",
      "ordered",
      "manual",
      atStripe("POST /v1/payment_intents/*/capture", "after"),
    ],
    ["after it captured, before it records so", "ordered", "manual", atStatement(lockTable("capture"))],
    [
      "after it recorded the capture, before it announces",
      "ordered",
      "manual",
      afterCommit("OLD.captured_at IS NULL AND NEW.captured_at IS NOT NULL"),
    ],
  ])(
    "%s: there is one order after the restart, one unit taken, one capture, one announcement",
    async (_, stage, capture, stop) => {
      const earlier = await allOrders()
      const { before, payment, intent } = await killedAt(stop, { capture, stock: 3 })

      expect(before.status).toBe(stage)
      expect(payment).toMatchObject({ status: "completed", reason: null })
      expect(await allOrders()).toBe(earlier + 1)
      expect(await whole(payment?.order_id)).toEqual(onlyOnce)
      expect(await shop.stock(HOT)).toEqual(oneTaken)
      expect((await shop.client.paymentIntents.retrieve(intent)).amount_received).toBe(12000)
      await shop.until("the announcement", () => shop.announcements(payment?.order_id ?? null) || undefined)
      expect(shop.announcements(payment?.order_id ?? null)).toBe(1)
    },
  )

  it("after it announced, before it records so: the one window in which the announcement comes twice", async () => {
    const earlier = await allOrders()
    const told = shop.announcements("")
    const stop: Stop = async () => {
      const { reached, free } = await atCommit("NEW.status = 'completed'")()
      const heard = () =>
        shop.until("a subscriber to hear of it", () => shop.announcements("") > told || undefined)
      // The commit must not come through after its process is dead.
      return { reached: reached.then(heard), free: () => loseCommits(shop).then(free) }
    }
    const { before, payment } = await killedAt(stop, { capture: "automatic", stock: 3 })

    expect(before.status).toBe("ordered")
    expect(payment).toMatchObject({ status: "completed", reason: null })
    expect(await allOrders()).toBe(earlier + 1)
    expect(await whole(payment?.order_id)).toEqual(onlyOnce)
    expect(await shop.stock(HOT)).toEqual(oneTaken)
    await shop.until(
      "the second announcement",
      () => shop.announcements(payment?.order_id ?? null) > 1 || undefined,
    )
    expect(shop.announcements(payment?.order_id ?? null)).toBe(2)
  })

  it.each<[string, "refunded" | "canceled", Stop]>([
    ["before Stripe refunds", "refunded", atStripe("POST /v1/refunds", "before")],
    ["after Stripe refunded", "refunded", atStripe("POST /v1/refunds", "after")],
    ["before Stripe cancels", "canceled", atStripe("POST /v1/payment_intents/*/cancel", "before")],
    ["after Stripe cancelled", "canceled", atStripe("POST /v1/payment_intents/*/cancel", "after")],
  ])("without stock, %s: the money is given back once", async (_, status, stop) => {
    const earlier = await allOrders()
    const capture = status === "refunded" ? "automatic" : "manual"
    const { before, payment, intent } = await killedAt(stop, { capture, stock: 0 })

    expect(before.status).toBe("refunding")
    expect(payment?.status).toBe(status)
    expect(await allOrders()).toBe(earlier)
    expect(await shop.stock(HOT)).toMatchObject({ stocked: 0, reserved: 0, reservations: 0 })
    const { data: refunds } = await shop.client.refunds.list({ payment_intent: intent })
    expect(refunds.map(({ amount }) => amount)).toEqual(status === "refunded" ? [12000] : [])
  })

  it.each<[string, string, "automatic" | "manual", Stop]>([
    ["before Stripe refunds the rest", "refunding_rest", "automatic", atStripe("POST /v1/refunds", "before")],
    ["after Stripe refunded the rest", "refunding_rest", "automatic", atStripe("POST /v1/refunds", "after")],
    [
      "after Stripe captured its part",
      "ordered",
      "manual",
      atStripe("POST /v1/payment_intents/*/capture", "after"),
    ],
  ])(
    "with a part in stock, %s: there is one order of it, and its price is kept, once",
    async (_, stage, capture, stop) => {
      const earlier = await allOrders()
      const { before, payment, intent } = await killedAt(stop, { capture, stock: 1, quantity: 3 })

      expect(before.status).toBe(stage)
      expect(payment).toMatchObject({ status: "completed" })
      expect(await allOrders()).toBe(earlier + 1)
      expect(await shop.stock(HOT)).toEqual({ stocked: 1, reserved: 1, reservations: 1, raw: "1/1" })
      const { amount_received } = await shop.client.paymentIntents.retrieve(intent)
      const { data: refunds } = await shop.client.refunds.list({ payment_intent: intent })
      expect(amount_received - refunds.reduce((sum, { amount }) => sum + amount, 0)).toBe(12000)
      expect(refunds).toHaveLength(capture === "automatic" ? 1 : 0)
    },
  )

  it("by itself takes up what a dead worker held, when the claim has run out", async () => {
    await shop.putStock(HOT, 1)
    const intent = await shop.intent({ items: [{ sku: HOT, quantity: 1 }] })
    const { reached, free } = await atLookup()
    await shop.confirm(intent)
    await reached
    await shop.kill()
    await free()
    await shop.restart()
    const [payment] = await shop.settled([intent])
    expect(payment).toMatchObject({ status: "completed" })
  })

  it("by itself is taken over by another process of the shop that goes on", async () => {
    await shop.putStock(HOT, 1)
    const other = await shop.another()
    const intent = await shop.intent({ items: [{ sku: HOT, quantity: 1 }] })
    const { reached, free } = await atLookup()
    await shop.confirm(intent)
    await reached
    await shop.kill()
    await free()
    const [payment] = await shop.settled([intent])
    expect(payment).toMatchObject({ status: "completed" })
    await other.stop()
    await shop.restart()
  })

  it("at random moments of a rush loses and doubles nothing", async () => {
    await shop.putStock(HOT, 12)
    const earlier = await allOrders()
    const intents: string[] = []
    for (let i = 0; i < 24; i++)
      intents.push(
        await shop.intent({
          items: [{ sku: HOT, quantity: 1 }],
          capture: i % 2 ? "manual" : "automatic",
          email: `${i}@shop.example`,
        }),
      )
    for (let round = 0; round < 3; round++) {
      await Promise.all(intents.slice(round * 8, round * 8 + 8).map((id) => shop.confirm(id)))
      const target = 2 + round * 6
      await shop.until(
        "some to be decided",
        async () =>
          (await shop.count("stripe_payment WHERE id = ANY($1) AND status <> 'pending'", [intents])) >=
            target || undefined,
      )
      await shop.kill()
      await forgetTheDead(shop)
      await shop.restart()
    }
    const rows = await shop.settled(intents)
    const statuses = rows.map(({ status }) => status)
    expect(statuses.filter((status) => status === "completed")).toHaveLength(12)
    expect(statuses.filter((status) => status === "refunded" || status === "canceled")).toHaveLength(12)
    expect(await allOrders()).toBe(earlier + 12)
    expect(await shop.stock(HOT)).toEqual({ stocked: 12, reserved: 12, reservations: 12, raw: "12/12" })
  }, 120_000)
})
