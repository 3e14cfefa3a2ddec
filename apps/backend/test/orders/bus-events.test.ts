import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { closeShops } from "../setup/shop.ts"
import { HOT, StripeShop } from "./stripe-shop.ts"

const MUG = [{ sku: "MUG", quantity: 1 }]
const LANTERN = [{ sku: HOT, quantity: 1 }]

interface Told {
  name: string
  id: string
  event_id: string
  order_id: string | null
  reason: string | null
}

describe("the store's event bus", () => {
  let shop: StripeShop
  beforeAll(async () => {
    shop = await StripeShop.open({ HOLDFAST_MAX_ATTEMPTS: "1" })
  })
  afterAll(() => shop?.close())
  afterAll(closeShops)

  /** What the shop's own subscriber was told of a payment, in this order. */
  const told = (intent: string): Told[] =>
    [...shop.logs.matchAll(/stripe_payment\.(\w+): (\{.*?\})(?=["\\]*[,}]?)/g)]
      .map(([, name = "", data = ""]) => ({ name, ...JSON.parse(data.replaceAll('\\"', '"')) }))
      .filter(({ id }) => id === intent)
  const names = (intent: string) => told(intent).map(({ name }) => name)
  /** All events of the payment are on their way or were sent: nothing is left in the outbox. */
  const sent = async (intent: string, last: string) => {
    await shop.until(`${intent} to be told ${last}`, () => names(intent).at(-1) === last || undefined)
    // The bus has told it before the outbox knows that.
    await shop.until("the outbox to be empty", async () =>
      (await shop.count("stripe_outbox WHERE payment_intent_id = $1", [intent])) === 0 ? true : undefined,
    )
    return told(intent)
  }

  it("is told that a payment became an order, and that it is completed, once each", async () => {
    const intent = await shop.pay({ items: MUG, email: "ada@shop.example", capture: "manual" })
    const [row] = await shop.settled([intent])
    const events = await sent(intent, "completed")
    const data = { id: intent, order_id: row?.order_id, reason: null, event_id: expect.any(String) }
    expect(events).toEqual([
      { name: "ordered", ...data },
      { name: "completed", ...data },
    ])
    expect(new Set(events.map(({ event_id }) => event_id)).size).toBe(2)
  })

  it.each([
    ["automatic", "refunded"],
    ["manual", "canceled"],
  ] as const)(
    "is told that a payment with %s capture is sold out, and when it is %s",
    async (capture, state) => {
      await shop.putStock(HOT, 0)
      const intent = await shop.pay({ items: LANTERN, capture })
      const events = await sent(intent, state)
      expect(events.map(({ name }) => name)).toEqual(["sold_out", state])
      for (const { order_id, reason } of events) {
        expect(order_id).toBeNull()
        expect(reason).toMatch(/^out of stock: 1 of .* wanted, 0 available/)
      }
    },
  )

  it("is told that a payment needs review, and again where a retry comes to the same", async () => {
    const intent = await shop.pay({ items: MUG, amount: 1 })
    await sent(intent, "review")
    await shop.admin("POST", `/admin/stripe-payments/${intent}/retry`)
    await shop.until("the second", () => names(intent).length > 1 || undefined)
    const [first, second, ...more] = told(intent)
    expect(more).toEqual([])
    expect(first).toMatchObject({ name: "review", reason: expect.stringMatching(/^paid 0.01 USD/) })
    expect(second).toEqual({ ...first, event_id: expect.any(String) })
    expect(second?.event_id).not.toBe(first?.event_id)
  })

  it("is told of a dispute, and that the payment is completed again when it is won", async () => {
    const intent = await shop.pay({ items: MUG })
    await sent(intent, "completed")
    const dispute = shop.stripe.buyer.dispute(intent)
    await sent(intent, "disputed")
    shop.stripe.bank.closeDispute(dispute.id, "won")
    await sent(intent, "completed")
    expect(names(intent)).toEqual(["ordered", "completed", "disputed", "completed"])
    expect(told(intent)[2]?.reason).toContain(dispute.id)
    expect(new Set(told(intent).map(({ event_id }) => event_id)).size).toBe(4)
  })

  it("is told that an order's money went back, where the shop canceled it; a refund of a part changes nothing", async () => {
    const intent = await shop.pay({ items: MUG })
    await sent(intent, "completed")
    await shop.client.refunds.create({ payment_intent: intent, amount: 100 })
    const recorded =
      "stripe_timeline WHERE payment_intent_id = $1 AND text LIKE 'Recorded on the order: refund %'"
    await shop.until("the refund to be on the order", async () =>
      (await shop.count(recorded, [intent])) > 0 ? true : undefined,
    )
    await shop.settled([intent])
    const { order_id } = await shop.payment(intent)
    await shop.admin("POST", `/admin/orders/${order_id}/cancel`)
    await sent(intent, "refunded")
    expect(names(intent)).toEqual(["ordered", "completed", "refunded"])
    expect(told(intent).at(-1)).toMatchObject({
      order_id,
      reason: `order ${order_id} was canceled in Medusa`,
    })
  })

  it("is told after a kill between the writing and the sending; meanwhile payments go on", async () => {
    await shop.rows("ALTER TABLE stripe_outbox RENAME COLUMN event_id TO hidden")
    const intent = await shop.pay({ items: MUG })
    expect(await shop.settled([intent])).toMatchObject([{ status: "completed" }])
    const failed = "Sending events to the store's event bus: failed, and is tried again"
    await shop.until("the sending to fail", () => shop.logs.includes(failed) || undefined)
    const written = await shop.rows<{ hidden: string }>("SELECT hidden FROM stripe_outbox ORDER BY id")
    expect(written).toHaveLength(2)
    await shop.kill("SIGKILL")
    await shop.rows("ALTER TABLE stripe_outbox RENAME COLUMN hidden TO event_id")
    await shop.restart()
    const events = await sent(intent, "completed")
    expect(events.map(({ event_id }) => event_id)).toEqual(written.map(({ hidden }) => hidden))
  })

  it("is told again by the same event_id after a kill between the sending and its writing down", async () => {
    await shop.rows(
      `CREATE FUNCTION never() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(3600); RETURN OLD; END $$;
       CREATE TRIGGER never BEFORE DELETE ON stripe_outbox FOR EACH ROW EXECUTE FUNCTION never()`,
    )
    const intent = await shop.pay({ items: MUG })
    await shop.until("the first to be told", () => names(intent).length > 0 || undefined)
    await shop.settled([intent])
    await shop.kill("SIGKILL")
    await shop.rows(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'DELETE FROM stripe_outbox%'",
    )
    await shop.rows("DROP TRIGGER never ON stripe_outbox")
    const before = told(intent)
    await shop.restart()
    await shop.until("the last to be told", () => names(intent).at(-1) === "completed" || undefined)
    const after = told(intent)
    expect(after[0]).toEqual(before[0])
    expect(after.filter(({ event_id }) => event_id === before[0]?.event_id)).toHaveLength(2)
    expect(new Set(after.map(({ event_id }) => event_id)).size).toBe(2)
  })
})
