import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { isNightly } from "../setup/nightly.ts"
import { closeShops } from "../setup/shop.ts"
import { forgetTheDead, hold, holdCommit, loseCommits, untilItWaits } from "./standstill.ts"
import { costOf, HOT, StripeShop } from "./stripe-shop.ts"

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

  /** Its event doesn't say enough, so the shop asks Stripe. */
  const atLookup: Stop = async () => {
    shop.sendOldEvents()
    const fault = shop.stripe.faults.next("GET /v1/payment_intents/*", { hang: "before" })
    const free = async () => {
      shop.stripe.delivery = {}
      fault.drop()
    }
    return { reached: fault.reached, free }
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
    { capture, stock, promotion }: { capture: "automatic" | "manual"; stock: number; promotion?: string },
  ) {
    await shop.putStock(HOT, stock)
    const items = [{ sku: HOT, quantity: 1 }]
    const intent = promotion
      ? (await shop.checkout(items, { promotion })).intentId
      : await shop.intent({ items, capture })
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

  type Row = [string, "pending" | "ordered", "automatic" | "manual", Stop]

  /** All are of one transaction, as its first statement is. */
  const withinTheTransaction: Row[] = [
    [
      "after it took the stock, before the reservation",
      "pending",
      "manual",
      atStatement(lockTable("reservation_item")),
    ],
    ["before the payment's rows", "pending", "automatic", atStatement(lockTable("payment_collection"))],
    ["before the order", "pending", "manual", atStatement(lockTable("order"))],
    ["before the order's links", "pending", "automatic", atStatement(lockTable("order_payment_collection"))],
  ]

  it.each<Row>([
    ["before it takes the stock", "pending", "automatic", atStatement(lockLevel)],
    ...(isNightly ? withinTheTransaction : []),
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

  /** A commit that waits would still come through after its process is dead. */
  const losing =
    (stop: Stop): Stop =>
    async () => {
      const { reached, free } = await stop()
      return { reached, free: () => loseCommits(shop).then(free) }
    }

  type Commit = [string, "pending" | "ordered", Stop]
  const afterTheCommit: Commit = [
    "after the commit",
    "ordered",
    afterCommit("OLD.status = 'pending' AND NEW.status = 'ordered'"),
  ]

  it.each<Commit>([
    ["before the commit", "pending", losing(atCommit("NEW.status = 'ordered'"))],
    ...(isNightly ? [afterTheCommit] : []),
  ])("%s of an order with a promotion: its use is counted once", async (when, stage, stop) => {
    const code = when.replaceAll(" ", "-")
    const application_method = { type: "percentage", target_type: "order", value: 10, allocation: "across" }
    await shop.admin("POST", "/admin/promotions", {
      ...{ code, type: "standard", status: "active", limit: 5 },
      application_method: { ...application_method, currency_code: "usd" },
    })
    const { before, payment } = await killedAt(stop, { capture: "manual", stock: 3, promotion: code })
    expect(before.status).toBe(stage)
    expect(payment).toMatchObject({ status: "completed", reason: null })
    expect(await shop.rows("SELECT used FROM promotion WHERE code = $1", [code])).toEqual([{ used: 1 }])
  })

  it("after it announced, before it records so: the one window in which the announcement comes twice", async () => {
    const earlier = await allOrders()
    const told = shop.announcements("")
    const stop: Stop = async () => {
      const { reached, free } = await losing(atCommit("NEW.status = 'completed'"))()
      const heard = () =>
        shop.until("a subscriber to hear of it", () => shop.announcements("") > told || undefined)
      return { reached: reached.then(heard), free }
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

  describe("in a call to Stripe, each of ten payments in another one", () => {
    interface Held {
      call: string
      hang: "before" | "after"
      capture: "automatic" | "manual"
      sku: string
      wanted: number
      /** the state in which it was killed */
      stage: string
    }
    const refund = "POST /v1/refunds"
    const cancel = "POST /v1/payment_intents/*/cancel"
    const capture = "POST /v1/payment_intents/*/capture"
    const ordered = { sku: HOT, wanted: 1, stage: "ordered", capture: "manual" } as const
    const soldOut = { sku: "LANTERN-STANDARD", wanted: 1, stage: "refunding" } as const
    const HELD = {
      "while it asks Stripe about the payment": {
        ...ordered,
        ...{ call: "GET /v1/payment_intents/*", hang: "before", stage: "lookup", capture: "automatic" },
      },
      "after the commit, before it captures": { ...ordered, call: capture, hang: "before" },
      "after Stripe captured, before it hears so": { ...ordered, call: capture, hang: "after" },
      "before Stripe refunds": { ...soldOut, call: refund, hang: "before", capture: "automatic" },
      "after Stripe refunded": { ...soldOut, call: refund, hang: "after", capture: "automatic" },
      "before Stripe cancels": { ...soldOut, call: cancel, hang: "before", capture: "manual" },
      "after Stripe cancelled": { ...soldOut, call: cancel, hang: "after", capture: "manual" },
      "before Stripe refunds the rest": {
        ...{ sku: "SHIRT-S", wanted: 3, stage: "refunding_rest" },
        ...{ call: refund, hang: "before", capture: "automatic" },
      },
      "after Stripe refunded the rest": {
        ...{ sku: "SHIRT-M", wanted: 3, stage: "refunding_rest" },
        ...{ call: refund, hang: "after", capture: "automatic" },
      },
      "after Stripe captured its part": {
        ...{ sku: "SHIRT-L", wanted: 3, stage: "ordered" },
        ...{ call: capture, hang: "after", capture: "manual" },
      },
    } satisfies Record<string, Held>
    type Name = keyof typeof HELD
    const names = Object.keys(HELD) as Name[]
    const STOCK = { [HOT]: 3, "LANTERN-STANDARD": 0, "SHIRT-S": 1, "SHIRT-M": 1, "SHIRT-L": 1 }

    const intents = new Map<Name, string>()
    const stages = new Map<Name, string>()
    const settledOf = async (name: Name) => await shop.payment(intents.get(name) ?? "")
    /** The n-th call of this kind about this payment, `hang`ing. */
    const holdCall = (intent: string, { call, hang }: Held) => {
      const kind = new RegExp(`^${call.replace("*", "[^/]+")}$`)
      return shop.stripe.faults.next(
        ({ method, path, params, driver }) =>
          !driver &&
          kind.test(`${method} ${path}`) &&
          (path.includes(intent) || params.payment_intent === intent),
        { hang },
      )
    }
    let earlier = 0

    beforeAll(async () => {
      earlier = await allOrders()
      for (const [sku, stock] of Object.entries(STOCK)) await shop.putStock(sku, stock)
      for (const name of names) {
        const { sku, wanted, capture } = HELD[name]
        intents.set(name, await shop.intent({ items: [{ sku, quantity: wanted }], capture }))
      }
      const asked = intents.get("while it asks Stripe about the payment")
      shop.stripe.delivery = {
        rewrite: (event) =>
          (event.data.object as { id?: string }).id === asked
            ? { ...event, api_version: "2020-08-27" }
            : event,
      }
      const faults = names.map((name) => holdCall(intents.get(name) ?? "", HELD[name]))
      for (const intent of intents.values()) await shop.confirm(intent)
      await Promise.all(faults.map(({ reached }) => reached))
      for (const name of names) stages.set(name, (await settledOf(name)).status)
      await shop.kill()
      names.forEach((name, i) => {
        if (HELD[name].hang === "before") faults[i]?.drop()
        else faults[i]?.release()
      })
      shop.stripe.delivery = {}
      await forgetTheDead(shop)
      await shop.restart()
      await shop.settled([...intents.values()])
    })

    const moneyOf = async (name: Name) => {
      const { amount_received } = await shop.client.paymentIntents.retrieve(intents.get(name) ?? "")
      const { data: refunds } = await shop.client.refunds.list({ payment_intent: intents.get(name) ?? "" })
      const refunded = refunds.map(({ amount }) => amount)
      return { kept: amount_received - refunded.reduce((sum, one) => sum + one, 0), refunded }
    }

    it("all were where they were to be killed", () => {
      expect(Object.fromEntries(stages)).toEqual(
        Object.fromEntries(names.map((name) => [name, HELD[name].stage])),
      )
    })

    it.each(names.filter((name) => HELD[name].sku === HOT))(
      "%s: there is one order, one capture, one announcement",
      async (name) => {
        const payment = await settledOf(name)
        expect(payment).toMatchObject({ status: "completed", reason: null })
        expect(await whole(payment.order_id)).toEqual(onlyOnce)
        expect(await moneyOf(name)).toEqual({
          kept: costOf([{ sku: HOT, quantity: 1 }], "usd"),
          refunded: [],
        })
        await shop.until("the announcement", () => shop.announcements(payment.order_id) || undefined)
        expect(shop.announcements(payment.order_id)).toBe(1)
      },
    )

    it.each(names.filter((name) => HELD[name].stage === "refunding"))(
      "without stock, %s: the money is given back once",
      async (name) => {
        const isCaptured = HELD[name].capture === "automatic"
        const price = costOf([{ sku: "LANTERN-STANDARD", quantity: 1 }], "usd")
        expect((await settledOf(name)).status).toBe(isCaptured ? "refunded" : "canceled")
        expect(await moneyOf(name)).toEqual({ kept: 0, refunded: isCaptured ? [price] : [] })
      },
    )

    it.each(names.filter((name) => HELD[name].wanted === 3))(
      "with a part in stock, %s: there is one order of it, and its price is kept, once",
      async (name) => {
        const { sku, capture } = HELD[name]
        const price = costOf([{ sku, quantity: 1 }], "usd")
        expect(await settledOf(name)).toMatchObject({ status: "completed" })
        expect(await moneyOf(name)).toEqual({
          kept: price,
          refunded: capture === "automatic" ? [2 * price] : [],
        })
      },
    )

    it("six orders were made, and each took its units once", async () => {
      expect(await allOrders()).toBe(earlier + 6)
      for (const [sku, stock] of Object.entries(STOCK)) {
        const reservations = sku === HOT ? 3 : stock
        expect(await shop.stock(sku)).toEqual({
          ...{ stocked: stock, reserved: stock, reservations, raw: `${stock}/${stock}` },
        })
      }
    })
  })

  // Every run shows it of another process, in the next case.
  it.runIf(isNightly)("by itself takes up what a dead worker held, when the claim has run out", async () => {
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
    const rounds = isNightly ? 3 : 1
    const half = rounds * 4
    await shop.putStock(HOT, half)
    const earlier = await allOrders()
    const intents: string[] = []
    for (let i = 0; i < rounds * 8; i++)
      intents.push(
        await shop.intent({
          items: [{ sku: HOT, quantity: 1 }],
          capture: i % 2 ? "manual" : "automatic",
          email: `${i}@shop.example`,
        }),
      )
    for (let round = 0; round < rounds; round++) {
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
    expect(statuses.filter((status) => status === "completed")).toHaveLength(half)
    expect(statuses.filter((status) => status === "refunded" || status === "canceled")).toHaveLength(half)
    expect(await allOrders()).toBe(earlier + half)
    expect(await shop.stock(HOT)).toEqual({
      ...{ stocked: half, reserved: half, reservations: half, raw: `${half}/${half}` },
    })
  })
})
