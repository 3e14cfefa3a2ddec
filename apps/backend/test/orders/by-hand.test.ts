import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { closeShops } from "../setup/shop.ts"
import { freeze, holdCommit, untilItWaits } from "./standstill.ts"
import { costOf, HOT, StripeShop } from "./stripe-shop.ts"

const ONE = [{ sku: HOT, quantity: 1 }]
const PRICE = costOf(ONE, "usd")

describe("the workflow that is run by hand", () => {
  let shop: StripeShop
  beforeAll(async () => {
    shop = await StripeShop.open()
    // What it is told is all that it knows: no event comes.
    shop.stripe.delivery = { hold: () => true }
  })
  afterAll(() => shop?.close())
  afterAll(closeShops)

  const pay = (capture: "automatic" | "manual") =>
    shop.pay({ items: ONE, capture, email: `${capture}@shop.example` })
  const inOrder = async (ids: string[]) => {
    const rows = await shop.payments(ids)
    return ids.map((id) => rows.find((row) => row.id === id))
  }
  const capturesOf = (orderId: string | null | undefined) =>
    shop.count("order_transaction WHERE order_id = $1 AND reference = 'capture'", [orderId])

  it("that dies is carried on by the worker: all is captured, given back and announced once", async () => {
    await shop.putStock(HOT, 2)
    const mug = [{ sku: "MUG", quantity: 1 }]
    const [authorized, captured, late] = [await pay("manual"), await pay("automatic"), await pay("automatic")]
    const [asked, askedBack] = [await shop.pay({ items: mug, capture: "manual" }), await pay("automatic")]
    const ids = [authorized, captured, late, asked, askedBack]
    const states = async () => (await inOrder(ids)).map((row) => row?.status)
    // No worker is there to help before they are dead.
    await shop.kill()

    // One dies right after its commit.
    const commit = await holdCommit(shop, "NEW.status = 'ordered'")
    const first = shop.script("by-hand.mjs", [authorized, captured, late])
    await untilItWaits(shop, "advisory")
    freeze(first.pid)
    await commit()
    await first.kill("SIGKILL")
    expect(await states()).toEqual(["ordered", "ordered", "refunding", undefined, undefined])
    // One dies while it waits for Stripe, with its claims.
    const calls = ["POST /v1/payment_intents/*/capture", "POST /v1/refunds"].map((call) =>
      shop.stripe.faults.next(call, { hang: "before" }),
    )
    const second = shop.script("by-hand.mjs", [asked, askedBack])
    await Promise.all(calls.map(({ reached }) => reached))
    await second.kill("SIGKILL")
    for (const call of calls) call.drop()
    expect(await states()).toEqual(["ordered", "ordered", "refunding", "ordered", "refunding"])
    const heard = shop.announcements("")

    await shop.restart()
    await shop.settled(ids)
    expect(await states()).toEqual(["completed", "completed", "refunded", "completed", "refunded"])
    const rows = (await inOrder(ids)).filter((row) => row?.status === "completed")
    const orders = rows.map((row) => row?.order_id as string)
    await shop.until("the announcements", () => orders.every((id) => shop.announcements(id)) || undefined)
    for (const id of orders) {
      expect(shop.announcements(id)).toBe(1)
      expect(await capturesOf(id)).toBe(1)
    }
    expect(shop.announcements("")).toBe(heard + 3)
    for (const id of [authorized, captured, asked]) {
      const { amount, amount_received } = await shop.client.paymentIntents.retrieve(id)
      expect(amount_received).toBe(amount)
    }
    for (const id of [late, askedBack]) {
      const refunds = await shop.client.refunds.list({ payment_intent: id })
      expect(refunds.data.map(({ amount }) => amount)).toEqual([PRICE])
    }
    expect(await shop.stock(HOT)).toEqual({ stocked: 2, reserved: 2, reservations: 2, raw: "2/2" })
  })

  it("gives its payments back to the worker at once when it can't begin", async () => {
    await shop.putStock(HOT, 2)
    const ids = [await pay("automatic"), await pay("automatic")]
    const fault = shop.stripe.faults.next(
      ({ method, path }) => method === "GET" && path === `/v1/payment_intents/${ids[1]}`,
      { status: 500, times: Number.POSITIVE_INFINITY },
    )
    await expect(shop.script("by-hand.mjs", ids).finished).rejects.toThrow("The script ended with 1")
    for (const row of await inOrder(ids)) expect(row?.claimed_by).not.toBe("by hand")
    fault.remove()
    const rows = await shop.settled(ids)
    expect(rows.map(({ status }) => status)).toEqual(["completed", "completed"])
  })

  it("returns what became of each payment, completed ones and those of earlier runs too", async () => {
    await shop.putStock(HOT, 2)
    const [earlier] = await shop.rows<{ id: string; order_id: string }>(
      "SELECT id, order_id FROM stripe_payment WHERE status = 'completed' LIMIT 1",
    )
    const ids = [await pay("manual"), await pay("automatic"), await pay("manual"), await pay("automatic")]
    const written = await shop.script("by-hand.mjs", [...ids, earlier?.id as string]).finished
    const result: { payment_intent_id: string; status: string; order_id: string | null; error?: string }[] =
      JSON.parse(/^RESULT (.*)$/m.exec(written)?.[1] ?? "[]")
    const outcomeOf = (id: string | undefined) =>
      result.find(({ payment_intent_id }) => payment_intent_id === id)

    expect(result).toHaveLength(5)
    expect(ids.map((id) => outcomeOf(id)?.status)).toEqual(["completed", "completed", "canceled", "refunded"])
    expect(outcomeOf(earlier?.id)).toMatchObject({ status: "completed", order_id: earlier?.order_id })
    const rows = await inOrder(ids)
    expect(ids.map((id) => outcomeOf(id)?.order_id)).toEqual(rows.map((row) => row?.order_id))
    expect(result.filter(({ error }) => error)).toEqual([])
    for (const row of rows.slice(0, 2)) expect(await capturesOf(row?.order_id)).toBe(1)
  })

  it("refuses what is no list of ids, and leaves no row of it", async () => {
    const earlier = await shop.count("stripe_payment")
    const given = ["pi_as_text", null, [null], ["pi_\0"], ["cus_1"]]
    const written = await shop.script("by-hand.mjs", ["each", JSON.stringify(given)]).finished
    const refused = written.match(/^REFUSED .*payment_intent_ids must be a list of payment intents/gm)
    expect(refused).toHaveLength(given.length)
    expect(await shop.count("stripe_payment")).toBe(earlier)
  })
})
