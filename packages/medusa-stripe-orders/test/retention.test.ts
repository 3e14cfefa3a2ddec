import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { prune } from "../src/payments/retention"
import { PAYMENT_STATES, statesOf } from "../src/payments/states"
import { ALL, receiveOne, Tables } from "./tables"

let tables: Tables
beforeAll(async () => {
  tables = await Tables.open(...ALL)
})
afterAll(() => tables?.close())
beforeEach(() => tables.empty())

const NINETY = { events: 90, timeline: null }

const event = (id: string) => ({
  id,
  type: "payment_intent.succeeded",
  api_version: null,
  livemode: false,
  created: 1_790_000_000,
  payload: `{"id":"${id}"}`,
})
const OPENS = (payment_intent_id: string) => ({ payment_intent_id, opens: true, news: "progress" as const })

/** An event of this payment that came so many days ago. */
async function past(id: string, days: number, payment: string | null): Promise<void> {
  await receiveOne(tables.db, event(id), payment === null ? null : OPENS(payment))
  await tables.rows("UPDATE stripe_event SET created_at = now() - ? * interval '1 day' WHERE id = ?", [
    days,
    id,
  ])
  await tables.rows(
    "UPDATE stripe_timeline SET at = now() - ? * interval '1 day' WHERE data->>'event_id' = ?",
    [days, id],
  )
}
const settle = (id: string, status = "completed") =>
  tables.rows("UPDATE stripe_payment SET status = ? WHERE id = ?", [status, id])
const kept = async () =>
  (
    await tables.rows<{ id: string }>("SELECT id FROM stripe_event WHERE payload IS NOT NULL ORDER BY id")
  ).map(({ id }) => id)
/** `count` events of final payments, a hundred days old. */
const insertOld = (count: number) =>
  tables.rows(
    `WITH payments AS (
       INSERT INTO stripe_payment (id, status) SELECT 'pi_' || n, 'completed' FROM generate_series(1, ${count}) AS n)
     INSERT INTO stripe_event (id, type, livemode, created, payment_intent_id, status, payload, created_at)
     SELECT 'evt_' || n, 'payment_intent.succeeded', true, now(), 'pi_' || n, 'settled', repeat('x', 3000),
            now() - interval '100 days' + n * interval '1 second'
       FROM generate_series(1, ${count}) AS n`,
  )

describe("what is older than the store wants to keep", () => {
  it("is the payload of an event; its row stays, and a redelivery is known", async () => {
    await past("evt_old", 91, "pi_1")
    await past("evt_young", 89, "pi_1")
    await past("evt_other", 91, null)
    await settle("pi_1")
    await prune(tables.db, NINETY)
    expect(await kept()).toEqual(["evt_young"])

    await receiveOne(tables.db, event("evt_old"), OPENS("pi_1"))
    expect(
      await tables.rows("SELECT type, deliveries, payload FROM stripe_event WHERE id = 'evt_old'"),
    ).toEqual([{ type: "payment_intent.succeeded", deliveries: 2, payload: null }])
    expect(await tables.payment("pi_1")).toMatchObject({ status: "completed", revision: 2 })
    expect(await tables.timeline("pi_1")).toHaveLength(2)
  })

  it("is kept of payments that are not final", async () => {
    for (const status of PAYMENT_STATES) {
      await past(`evt_${status}`, 100, `pi_${status}`)
      await settle(`pi_${status}`, status)
      await tables.rows(
        "UPDATE stripe_payment SET snapshot = '{}', snapshot_at = now() - interval '100 days' WHERE id = ?",
        [`pi_${status}`],
      )
    }
    await prune(tables.db, { events: 90, timeline: 90 })
    const open = PAYMENT_STATES.filter((status) => !statesOf(null).includes(status)).sort()
    const ids = async (sql: string) => (await tables.rows<{ id: string }>(sql)).map(({ id }) => id).sort()
    expect(await kept()).toEqual(open.map((status) => `evt_${status}`))
    const payments = open.map((status) => `pi_${status}`)
    expect(await ids("SELECT id FROM stripe_payment WHERE snapshot IS NOT NULL")).toEqual(payments)
    expect(await ids("SELECT payment_intent_id AS id FROM stripe_timeline")).toEqual(payments)
  })

  it("is what Stripe last answered about a payment", async () => {
    const answered = (days: number) => ({
      status: "completed",
      snapshot: "{}",
      snapshot_at: new Date(Date.now() - days * 86_400_000),
    })
    await tables.insert("pi_old", answered(91))
    await tables.insert("pi_young", answered(89))
    await prune(tables.db, NINETY)
    expect(await tables.payment("pi_old")).toMatchObject({ snapshot: null, snapshot_at: null })
    expect(await tables.payment("pi_young")).toMatchObject({ snapshot: "{}" })
  })

  it("is a line of a timeline, where the store says so", async () => {
    await past("evt_1", 40, "pi_1")
    await past("evt_2", 20, "pi_1")
    await settle("pi_1")
    await prune(tables.db, NINETY)
    expect(await tables.timeline("pi_1")).toHaveLength(2)
    await prune(tables.db, { events: null, timeline: 30 })
    expect(await tables.timeline("pi_1")).toMatchObject([{ data: { event_id: "evt_2" } }])
  })

  it("is nothing where the store keeps all", async () => {
    await past("evt_1", 4_000, null)
    await prune(tables.db, { events: null, timeline: null })
    expect(await kept()).toEqual(["evt_1"])
  })

  it("is passed over where a row is locked, without a wait", async () => {
    await insertOld(1_200)
    const trx = await tables.db.transaction()
    try {
      await trx.raw("SELECT 1 FROM stripe_event WHERE id IN ('evt_1', 'evt_700') FOR UPDATE")
      await prune(tables.db, NINETY)
      expect(await kept()).toEqual(["evt_1", "evt_700"])
    } finally {
      await trx.rollback()
    }
    await prune(tables.db, NINETY)
    expect(await kept()).toEqual([])
  })

  it("is pruned in batches, between which events are stored, and which end when another process is in charge", async () => {
    await insertOld(10_000)
    let batches = 0
    await prune(tables.db, NINETY, () => ++batches < 4)
    expect(await kept()).toHaveLength(10_000 - 3 * 500)

    let isPruned = false
    const pruned = prune(tables.db, NINETY).finally(() => {
      isPruned = true
    })
    const slowest = { ms: 0 }
    let stored = 0
    for (; !isPruned; stored++) {
      const began = performance.now()
      // Of payments whose old events are being pruned.
      await receiveOne(tables.db, event(`evt_new_${stored}`), { ...OPENS(`pi_${stored + 1}`), news: "money" })
      slowest.ms = Math.max(slowest.ms, performance.now() - began)
    }
    await pruned
    expect(stored).toBeGreaterThan(10)
    expect(slowest.ms).toBeLessThan(1_000)
    expect((await kept()).filter((id) => !id.startsWith("evt_new_"))).toEqual([])
  })
})
