import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import type { Shop } from "../../launch/shop.ts"
import { closeShops } from "../setup/shop.ts"
import {
  endLocks,
  freeze,
  hold,
  holdDeciding,
  letDecide,
  pidOf,
  untilItWaits,
  untilStatementWaits,
} from "./standstill.ts"
import { costOf, HOT, StripeShop, times, WEBHOOK_SECRET } from "./stripe-shop.ts"

const ONE = [{ sku: HOT, quantity: 1 }]
const MUG = [{ sku: "MUG", quantity: 1 }]
const SHIPPING = 500

/** Two processes of one shop. Stripe delivers every event to both. */
describe("whose turn it is", () => {
  let shop: StripeShop
  let other: Shop
  beforeAll(async () => {
    shop = await StripeShop.open()
    other = await shop.another()
    shop.stripe.addWebhookEndpoint({ url: `${other.url}/hooks/stripe`, secret: WEBHOOK_SECRET })
  })
  afterAll(async () => {
    await other?.stop()
    await shop?.close()
  })
  afterAll(closeShops)

  /** What a test has brought to a standstill goes on, also when the test fails. */
  const undo: (() => unknown)[] = []
  afterEach(async () => {
    for (const go of undo.splice(0)) await go()
  })
  const once = <T>(go: () => T) => {
    let done: { result: T } | undefined
    const run = () => {
      done ??= { result: go() }
      return done.result
    }
    undo.push(run)
    return run
  }
  const standstill = async (sql: string) => once(await hold(shop, sql))
  const paused = (pid: number) => once(freeze(pid))

  const known = (ids: string[]) =>
    shop.until(
      "the payments' events",
      async () => (await shop.payments(ids)).length === ids.length || undefined,
    )
  const ordersOf = (cartId: string) =>
    shop.count("order_cart WHERE cart_id = $1 AND deleted_at IS NULL", [cartId])
  const logsOf = (pid: number) => (pid === shop.pid ? shop.logs : other.logs())
  const timeline = (id: string) =>
    shop.rows<{ kind: string; actor: string; status: string; text: string }>(
      "SELECT kind, actor, status, text FROM stripe_timeline WHERE payment_intent_id = $1 ORDER BY id",
      [id],
    )
  const byPid = async (id: string, pid: number) =>
    (await timeline(id)).filter(({ actor }) => pidOf(actor) === pid).map(({ text }) => text)

  describe("one cart is one order", () => {
    const paidAsWell = (row: unknown) =>
      expect(row).toMatchObject({
        status: "review",
        order_id: null,
        reason: expect.stringContaining("with another payment: this one was paid as well"),
      })

    it("also when its two payments come at once and no lock keeps them apart", async () => {
      await shop.putStock(HOT, 5)
      const { cartId, intentId } = await shop.checkout(ONE)
      const metadata = { cart_id: cartId }
      const second = await shop.intent({ items: ONE, amount: costOf(ONE, "usd") + SHIPPING, metadata })
      const free = await standstill(`LOCK TABLE "order" IN SHARE ROW EXCLUSIVE MODE`)
      await letDecide(shop, other.pid)
      await shop.confirm(intentId)
      await untilItWaits(shop)
      // The first payment's process stands still in its transaction, for longer than its locks and its lease last.
      await endLocks(shop)
      await letDecide(shop, shop.pid)
      await shop.confirm(second)
      await untilStatementWaits(shop, "FOR UPDATE")
      await free()

      const rows = await shop.settled([intentId, second])
      expect(rows.find(({ id }) => id === intentId)).toMatchObject({ status: "completed", reason: null })
      paidAsWell(rows.find(({ id }) => id === second))
      expect(await ordersOf(cartId)).toBe(1)
      expect(await shop.stock(HOT)).toEqual({ stocked: 5, reserved: 1, reservations: 1, raw: "5/1" })
    })

    it.each(["the plugin", "Medusa"])(
      "a second payment that bears the same session is paid as well, when %s made the order",
      async (maker) => {
        const { cartId, intentId, sessionId } = await shop.checkout(MUG)
        if (maker === "Medusa") {
          shop.stripe.delivery = { hold: () => true }
          await shop.confirm(intentId)
          await shop.store("POST", `/store/carts/${cartId}/complete`)
          shop.stripe.delivery = {}
          await shop.stripe.releaseHeld()
        } else await shop.confirm(intentId)
        expect(await shop.settled([intentId])).toMatchObject([{ status: "completed" }])

        const amount = costOf(MUG, "usd") + SHIPPING
        const second = await shop.pay({ items: MUG, amount, metadata: { session_id: sessionId } })
        const [row] = await shop.settled([second])
        paidAsWell(row)
        expect(await ordersOf(cartId)).toBe(1)
        expect(await shop.client.paymentIntents.retrieve(second)).toMatchObject({ amount_received: amount })
      },
    )

    it("of two payments that bear the same session and are due together the first gets it", async () => {
      const { cartId, intentId, sessionId } = await shop.checkout(MUG)
      const amount = costOf(MUG, "usd") + SHIPPING
      const second = await shop.intent({ items: MUG, amount, metadata: { session_id: sessionId } })
      const decide = once(await holdDeciding(shop))
      for (const id of [intentId, second]) {
        await shop.confirm(id)
        await known([id])
      }
      await decide()

      const rows = await shop.settled([intentId, second])
      expect(rows.find(({ id }) => id === intentId)).toMatchObject({ status: "completed" })
      paidAsWell(rows.find(({ id }) => id === second))
      expect(await ordersOf(cartId)).toBe(1)
    })
  })

  describe("a worker that was paused past its claim", () => {
    it("writes nothing over its successor, when its call to Stripe fails at last", async () => {
      const call = "POST /v1/payment_intents/*/capture"
      const first = shop.stripe.faults.next(call, { hang: "before" })
      const intent = await shop.pay({ items: MUG, capture: "manual" })
      await first.reached
      const late = pidOf((await shop.payment(intent)).claimed_by)
      const next = late === shop.pid ? other.pid : shop.pid
      const second = shop.stripe.faults.next(call, { hang: "before" })
      const thaw = paused(late)
      first.drop()
      await shop.rows("UPDATE stripe_payment SET claimed_until = clock_timestamp() WHERE id = $1", [intent])
      await second.reached
      expect(pidOf((await shop.payment(intent)).claimed_by)).toBe(next)
      const before = await byPid(intent, late)

      thaw()
      // It finds its call cut off, asks again, and is refused: the successor's call is under way.
      const failure = `Stripe payment ${intent}: attempt 1 failed`
      await shop.until("the late worker to fail", () => logsOf(late).includes(failure) || undefined)
      second.release()
      const [row] = await shop.settled([intent])
      expect(row).toMatchObject({ status: "completed", attempts: 0, last_error: null })
      // By then it works again, and may announce the order as well as the other.
      const since = (await byPid(intent, late)).filter((text) => text !== "Announced: order.placed")
      expect(since).toEqual(before)
      expect(await byPid(intent, next)).toContain("Captured")
      const captures = "capture WHERE payment_id = (SELECT payment_id FROM stripe_payment WHERE id = $1)"
      expect(await shop.count(captures, [intent])).toBe(1)
      expect((await shop.client.paymentIntents.retrieve(intent)).amount_received).toBe(costOf(MUG, "usd"))
    })
  })

  describe("first come, first served", () => {
    /** One unit less than both want. If the second were served first, there would be none for the first. */
    const twoBuyers = async () => {
      await shop.putStock(HOT, 2)
      const first = await shop.intent({ items: ONE, email: "first@shop.example" })
      const second = await shop.intent({ items: [{ sku: HOT, quantity: 2 }], email: "second@shop.example" })
      return { first, second }
    }
    const firstGetsIt = async (first: string, second: string) => {
      const rows = await shop.settled([first, second])
      expect(rows.find(({ id }) => id === first)).toMatchObject({ status: "completed" })
      expect(rows.find(({ id }) => id === second)).toMatchObject({ status: "refunded" })
      expect(await shop.stock(HOT)).toEqual({ stocked: 2, reserved: 1, reservations: 1, raw: "2/1" })
    }

    it("holds while Stripe is asked about the first payment", async () => {
      const { first, second } = await twoBuyers()
      const question = shop.stripe.faults.next("GET /v1/payment_intents/*", { hang: "before" })
      shop.sendOldEvents()
      await shop.confirm(first)
      await question.reached
      shop.stripe.delivery = {}
      // It keeps its place for two seconds, which a slow machine must not use up.
      await shop.rows("UPDATE stripe_payment SET status_since = now() + interval '1 minute' WHERE id = $1", [
        first,
      ])
      await shop.confirm(second)
      await known([second])
      await decidingTwice()
      expect(await shop.payment(second)).toMatchObject({ status: "pending" })
      question.release()
      await firstGetsIt(first, second)
    })

    /** The worker that decides has looked for what is due, from the beginning, since this was called. */
    const decidingTwice = async () => {
      const renewed = async () =>
        (
          await shop.rows<{ at: Date }>("SELECT expires_at AS at FROM stripe_lease WHERE id = 'decide'")
        )[0]?.at.getTime()
      for (let i = 0; i < 2; i++) {
        const before = await renewed()
        await shop.until("the worker to look", async () => (await renewed()) !== before || undefined)
      }
    }

    it("holds while the process that decides has a batch that takes longer than its lease", async () => {
      const { first, second } = await twoBuyers()
      await letDecide(shop, other.pid)
      const free = await standstill("LOCK TABLE product_variant IN ACCESS EXCLUSIVE MODE")
      await shop.confirm(first)
      await untilItWaits(shop)
      const [given] = await shop.rows(`
        UPDATE stripe_lease SET expires_at = clock_timestamp() + interval '5 seconds' WHERE id = 'decide'
        RETURNING expires_at`)
      await shop.confirm(second)
      await known([second])
      await shop.until("the lease to have been renewed after its end", async () => {
        const [lease] = await shop.rows<{ holder: string; renewed: boolean }>(
          "SELECT holder, expires_at > $1::timestamptz + interval '5 seconds' AS renewed FROM stripe_lease WHERE id = 'decide'",
          [given?.expires_at],
        )
        expect(pidOf(lease?.holder)).toBe(other.pid)
        return lease?.renewed || undefined
      })
      expect(await shop.payment(second)).toMatchObject({ status: "pending", claimed_by: null })
      await free()
      await firstGetsIt(first, second)
      for (const id of [first, second]) expect(await byPid(id, shop.pid)).not.toContain("Became an order")
    })

    it.each(["is slow", "is paused"])(
      "holds when the process that decides about the first payment %s, and another takes over",
      async (how) => {
        const { first, second } = await twoBuyers()
        await letDecide(shop, other.pid)
        const free = await standstill("LOCK TABLE product_variant IN ACCESS EXCLUSIVE MODE")
        await shop.confirm(first)
        await untilItWaits(shop)
        const thaw = how === "is paused" ? paused(other.pid) : () => {}
        await shop.confirm(second)
        await known([second])
        await letDecide(shop, shop.pid)
        if (how === "is paused") await free()
        else {
          const taken = async () => pidOf((await shop.payment(second)).claimed_by) === shop.pid || undefined
          await shop.until("the other process to take over", taken)
          await free()
        }
        await firstGetsIt(first, second)
        const orders = await shop.count(`"order"`)

        // The late one ends its batch before it takes another.
        thaw()
        await letDecide(shop, other.pid)
        const third = await shop.pay({ items: MUG })
        await shop.settled([third])
        expect(await byPid(third, other.pid)).toContain("Became an order")
        expect(await byPid(first, other.pid)).not.toContain("Became an order")
        expect(await shop.count(`"order"`)).toBe(orders + 1)
        await firstGetsIt(first, second)
      },
    )
  })

  it("a payment for which the store's tax provider throws holds up none that are due with it", async () => {
    await shop.rows("INSERT INTO tax_provider (id, is_enabled) VALUES ('tp_gone', true)")
    await shop.rows(
      "INSERT INTO tax_region (id, country_code, provider_id) VALUES ('txreg_ca', 'ca', 'tp_gone')",
    )
    const intents = await times(5, (i) => shop.intent({ items: MUG, email: `taxed${i}@shop.example` }))
    const bad = intents[2] as string
    const address = { line1: "1 Quay", city: "Halifax", postal_code: "B3H 1W5", country: "CA" }
    await shop.client.paymentIntents.update(bad, { shipping: { name: "Ada Lovelace", address } })
    const decide = once(await holdDeciding(shop))
    for (const id of intents) {
      await shop.confirm(id)
      await known([id])
    }
    await decide()

    const rows = await shop.settled(intents.filter((id) => id !== bad))
    for (const { id, status, attempts } of rows) {
      expect({ status, attempts }).toEqual({ status: "completed", attempts: 0 })
      const lines = (await timeline(id)).filter(({ kind }) => kind !== "event")
      expect(lines.map(({ text }) => text)).toEqual(["Became an order", "Announced: order.placed"])
    }
    expect(await shop.payment(bad)).toMatchObject({ status: "pending", order_id: null })
    const failed = expect.stringMatching(/^Attempt 1 failed: .*tax provider.*tp_gone/s)
    expect(await timeline(bad)).toContainEqual(expect.objectContaining({ kind: "attempt", text: failed }))
    await shop.rows("UPDATE tax_region SET provider_id = 'tp_system' WHERE id = 'txreg_ca'")
    expect(await shop.settled([bad])).toMatchObject([{ status: "completed" }])
  })

  it("one busy cart holds up none of the payments that are due with it", async () => {
    await shop.putStock(HOT, 5)
    const busy = await shop.checkout(ONE)
    const intents = await times(5, (i) => shop.intent({ items: MUG, email: `quick${i}@shop.example` }))
    shop.stripe.delivery = { hold: (event) => JSON.stringify(event.data.object).includes(busy.intentId) }
    await shop.confirm(busy.intentId)
    const free = await standstill(
      `SELECT * FROM inventory_level WHERE inventory_item_id = '${shop.itemOf(HOT)}' FOR UPDATE`,
    )
    // The storefront's own completion: it holds the cart's lock, and stands still.
    const completion = shop.store("POST", `/store/carts/${busy.cartId}/complete`)
    await untilItWaits(shop)
    const decide = once(await holdDeciding(shop))
    shop.stripe.delivery = {}
    await shop.stripe.releaseHeld()
    await Promise.all(intents.map((id) => shop.confirm(id)))
    await known([busy.intentId, ...intents])
    await decide()

    const ordered = async () =>
      (await shop.payments(intents)).every(({ status }) => status === "completed") || undefined
    // Half of the time that a lock may be waited for.
    await shop.until("the five to be ordered", ordered, 15)
    const { status, last_error } = await shop.payment(busy.intentId)
    expect(status).toBe("pending")
    expect(last_error).toContain(busy.cartId)
    await free()
    const { order } = await completion
    const [row] = await shop.settled([busy.intentId])
    expect(row).toMatchObject({ status: "completed", order_id: order.id })
  })

  it("a payment that finds no stock leaves no customer behind", async () => {
    const customers = (email: string) => shop.count("customer WHERE email = $1", [email])
    await shop.putStock(HOT, 1)
    const served = await shop.pay({ items: ONE, email: "served@shop.example" })
    expect(await shop.settled([served])).toMatchObject([{ status: "completed" }])
    const late = await shop.pay({ items: ONE, email: "late@shop.example" })
    expect(await shop.settled([late])).toMatchObject([{ status: "refunded" }])
    expect(await customers("served@shop.example")).toBe(1)
    expect(await customers("late@shop.example")).toBe(0)
  })
})
