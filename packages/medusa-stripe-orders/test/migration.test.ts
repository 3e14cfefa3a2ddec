import { afterEach, describe, expect, it } from "vitest"
import { hashOfSecret } from "../src/payments/client-secret"
import { claimToCarryOut, claimToDecide } from "../src/payments/queue"
import { isPaymentState, PAYMENT_STATES } from "../src/payments/states"
import { ALL, First, receiveOne, StateMachine, Tables, WaysToBuy } from "./tables"

const OLD = ["pending", "ordered", "completed", "returning", "refunded", "cancelled", "void", "review"]
const RENAMED: Record<string, string> = { returning: "refunding", cancelled: "canceled" }
const IN_FLIGHT = ["pending", "ordered", "returning"]

let tables: Tables
afterEach(() => tables?.close())

/** What the intent says at the time of the event. */
const intent = (more: Record<string, unknown> = {}) => ({
  id: "pi",
  object: "payment_intent",
  amount: 1200,
  currency: "usd",
  created: 1_790_000_000,
  receipt_email: "ada@shop.example",
  metadata: {},
  shipping: { name: "Ada Lovelace" },
  payment_method: "pm_1",
  payment_method_types: ["card"],
  latest_charge: "ch_1",
  ...more,
})

async function oldEvent(
  id: string,
  payment: string | null,
  object: unknown,
  more: Record<string, unknown> = {},
) {
  const created = new Date("2026-11-20T10:00:00Z")
  await tables.db("stripe_event").insert({
    id,
    type: "payment_intent.succeeded",
    livemode: true,
    created,
    payment_intent_id: payment,
    revision: payment && 1,
    status: payment ? "settled" : "ignored",
    payload: JSON.stringify({ id, object: "event", data: { object } }),
    created_at: created,
    ...more,
  })
}

/** A database as the first version left it: a payment in each status, and one that was never due again. */
async function oldDatabase() {
  tables = await Tables.open(First)
  const longAgo = new Date("2026-11-20T10:00:00Z")
  for (const [i, status] of OLD.entries()) {
    const due_at = IN_FLIGHT.includes(status) ? longAgo : null
    const order_id = ["ordered", "completed"].includes(status) ? `order_${status}` : null
    const reason = status === "review" ? "paid 1.00 USD, but the order comes to 2.00 USD" : null
    await tables.insert(`pi_${status}`, {
      status,
      due_at,
      order_id,
      reason,
      revision: 1,
      updated_at: longAgo,
      captured_at: status === "completed" ? longAgo : null,
    })
    await oldEvent(`evt_${i}`, `pi_${status}`, intent({ id: `pi_${status}` }))
  }
  await tables.insert("pi_stuck", { status: "pending", due_at: null })
  await tables.insert("pi_claimed", {
    status: "pending",
    due_at: longAgo,
    claimed_by: "a worker of the old version",
    claimed_until: new Date(Date.now() + 3_600_000),
  })
  await oldEvent("evt_other", null, { object: "customer", id: "cus_1" })
}

const statuses = async () =>
  Object.fromEntries(
    (await tables.rows<{ id: string; status: string }>("SELECT id, status FROM stripe_payment")).map(
      ({ id, status }) => [id, status],
    ),
  )

describe("a database of the first version", () => {
  it("keeps what became of each payment, under the new names", async () => {
    await oldDatabase()
    await tables.migrate(StateMachine)
    const after = await statuses()
    for (const status of OLD) {
      expect(after[`pi_${status}`]).toBe(RENAMED[status] ?? status)
    }
    expect(Object.values(after).filter((status) => !isPaymentState(status))).toEqual([])
    expect(await tables.payment("pi_review")).toMatchObject({
      reason: expect.stringContaining("paid 1.00 USD"),
    })
  })

  it("looks at the capture of orders that Medusa's own cart completion made", async () => {
    await oldDatabase()
    await tables.insert("pi_medusa", { status: "completed", due_at: null, order_id: "order_medusa" })
    await tables.migrate(StateMachine)
    expect(await tables.payment("pi_medusa")).toMatchObject({
      status: "awaiting_capture",
      placed_at: expect.any(Date),
    })
  })

  it("loses nothing that is due, nor what was forgotten or held by a worker of then", async () => {
    await oldDatabase()
    await tables.migrate(StateMachine)
    const decided = await claimToDecide(tables.db, "w", 50)
    expect(decided.map(({ id }) => id)).toEqual(["pi_pending", "pi_stuck", "pi_claimed"])
    const options = { limit: 50, capturesAfterStock: true }
    const carried = await claimToCarryOut(tables.db, "w", "stripe", options)
    expect(carried.map(({ id }) => id)).toEqual(["pi_ordered", "pi_returning"])
  })

  it("is searched by what the newest event of a payment says", async () => {
    await oldDatabase()
    const newer = { created: new Date("2026-11-21T10:00:00Z"), livemode: false }
    await oldEvent(
      "evt_new",
      "pi_review",
      intent({
        amount: 5_000_000_000,
        receipt_email: null,
        metadata: { email: "grace@shop.example" },
        shipping: null,
        payment_method: { id: "pm_2", object: "payment_method" },
        payment_method_types: ["card", "sepa_debit"],
        latest_charge: { id: "ch_2", object: "charge" },
      }),
      newer,
    )
    await oldEvent(
      "evt_charge",
      "pi_review",
      { object: "charge", amount: 7 },
      { ...newer, type: "charge.updated" },
    )
    await tables.migrate(StateMachine)
    expect(await tables.payment("pi_review")).toMatchObject({
      amount: "5000000000",
      currency: "usd",
      email: "grace@shop.example",
      name: null,
      created: new Date(1_790_000_000_000),
      livemode: false,
      account: null,
      payment_method: "pm_2",
      payment_method_type: null,
      latest_charge: "ch_2",
    })
    expect(await tables.payment("pi_void")).toMatchObject({
      amount: "1200",
      email: "ada@shop.example",
      name: "Ada Lovelace",
      livemode: true,
      payment_method: "pm_1",
      payment_method_type: "card",
      latest_charge: "ch_1",
    })
    expect(await tables.payment("pi_stuck")).toMatchObject({ amount: null, email: null })
  })

  it("knows each payment's client secret by its hash, where an event has it", async () => {
    await oldDatabase()
    const secret = (id: string) => ({ id, client_secret: `${id}_secret_abc` })
    await oldEvent("evt_secret", "pi_void", intent(secret("pi_void")))
    await oldEvent("evt_same", "pi_void", intent(secret("pi_void")))
    await oldEvent("evt_odd", "pi_review", intent(secret("pi_void")))
    await oldEvent("evt_pruned", "pi_stuck", intent(secret("pi_stuck")))
    await tables.migrate(StateMachine)
    await tables.rows("UPDATE stripe_event SET payload = NULL WHERE id = 'evt_pruned'")
    await tables.migrate(WaysToBuy)
    const { client_secret_hash } = await tables.payment("pi_void")
    expect(client_secret_hash).toBe(hashOfSecret("pi_void_secret_abc"))
    for (const id of ["pi_review", "pi_stuck", "pi_completed"]) {
      expect(await tables.payment(id)).toMatchObject({ client_secret_hash: null })
    }
  })

  it("has the e-mail address that metadata name, as later events have it", async () => {
    await oldDatabase()
    await oldEvent("evt_both", "pi_stuck", intent({ metadata: { email: "metadata@shop.example" } }))
    await tables.migrate(StateMachine)
    expect(await tables.payment("pi_stuck")).toMatchObject({ email: "metadata@shop.example" })
  })

  it("takes the e-mail address of the order where there is one", async () => {
    await oldDatabase()
    await tables.rows(`CREATE TABLE "order" (id text PRIMARY KEY, email text)`)
    await tables.rows(
      `INSERT INTO "order" VALUES ('order_completed', 'order@shop.example'), ('order_ordered', NULL)`,
    )
    await tables.migrate(StateMachine)
    expect(await tables.payment("pi_completed")).toMatchObject({ email: "order@shop.example" })
    expect(await tables.payment("pi_ordered")).toMatchObject({ email: "ada@shop.example" })
  })

  it("is migrated though a name is longer than an index holds", async () => {
    await oldDatabase()
    const name = Array.from({ length: 5_000 }, (_, i) =>
      String.fromCodePoint(0x4e00 + ((i * 7919) % 20_000)),
    ).join("")
    await oldEvent("evt_long", "pi_stuck", intent({ shipping: { name }, receipt_email: name }))
    await tables.migrate(StateMachine)
    expect(await tables.payment("pi_stuck")).toMatchObject({ name: name.slice(0, 500) })
  })

  it("gets a timeline: the events as they came, and what had become of the payment", async () => {
    await oldDatabase()
    await tables.migrate(StateMachine)
    expect(await tables.timeline("pi_completed")).toEqual([
      {
        kind: "event",
        actor: "Stripe",
        status: "completed",
        text: "Stripe sent payment_intent.succeeded",
        data: { event_id: "evt_2" },
      },
      {
        kind: "decision",
        actor: "Holdfast",
        status: "completed",
        text: "Was completed before its timeline was kept",
        data: { order_id: "order_completed" },
      },
    ])
    expect(await tables.timeline("pi_review")).toMatchObject([
      { kind: "event" },
      { kind: "decision", text: expect.stringContaining("paid 1.00 USD") },
    ])
    expect(await tables.rows("SELECT id FROM stripe_timeline WHERE payment_intent_id IS NULL")).toEqual([])
  })

  it("goes on where it was: a new payment arrives after the old ones, and an old event again is the same", async () => {
    await oldDatabase()
    await tables.migrate(StateMachine)
    await tables.migrate(WaysToBuy)
    const event = (id: string) => ({
      id,
      type: "payment_intent.succeeded",
      api_version: null,
      livemode: true,
      created: 1_790_000_000,
      payload: "{}",
    })
    await receiveOne(tables.db, event("evt_0"), {
      payment_intent_id: "pi_pending",
      opens: true,
      news: "progress",
    })
    expect(await tables.payment("pi_pending")).toMatchObject({ revision: 1 })
    await receiveOne(tables.db, event("evt_fresh"), {
      payment_intent_id: "pi_fresh",
      opens: true,
      news: "progress",
    })
    const decided = await claimToDecide(tables.db, "w", 50)
    expect(decided.at(-1)?.id).toBe("pi_fresh")
  })
})

describe("going back to the first version", () => {
  const schema = async () => ({
    columns: await tables.rows(
      `SELECT table_name, column_name, data_type, is_nullable, column_default FROM information_schema.columns
        WHERE table_name LIKE 'stripe%' ORDER BY table_name, column_name`,
    ),
    indexes: await tables.rows(
      `SELECT tablename, indexname, indexdef FROM pg_indexes WHERE tablename LIKE 'stripe%' ORDER BY indexname`,
    ),
    checks: await tables.rows(
      `SELECT conrelid::regclass::text AS table, conname, pg_get_constraintdef(oid) AS definition FROM pg_constraint
        WHERE conrelid::regclass::text LIKE 'stripe%' AND contype <> 'n' ORDER BY conname`,
    ),
  })

  it("leaves its tables as they were made, and each payment in a status that it knows", async () => {
    await oldDatabase()
    const before = { schema: await schema(), statuses: await statuses() }
    await tables.migrate(StateMachine)
    await tables.migrate(StateMachine, "down")
    expect(await schema()).toEqual(before.schema)
    expect(await statuses()).toEqual(before.statuses)
    await tables.migrate(StateMachine)
    expect(await tables.payment("pi_returning")).toMatchObject({ status: "refunding", amount: "1200" })
  })

  it("finds a status of then for each state, and loses nothing that is due", async () => {
    tables = await Tables.open(...ALL)
    for (const status of PAYMENT_STATES) {
      await tables.insert(`pi_${status}`, { status })
    }
    await tables.migrate(WaysToBuy, "down")
    await tables.migrate(StateMachine, "down")
    const after = await statuses()
    expect(Object.values(after).filter((status) => !OLD.includes(status))).toEqual([])
    const [{ due }] = (await tables.rows(
      `SELECT count(*)::int AS due FROM stripe_payment WHERE status IN ('pending', 'ordered', 'returning') AND due_at <= now()`,
    )) as [{ due: number }]
    expect(due).toBe(Object.values(after).filter((status) => IN_FLIGHT.includes(status)).length)
  })

  it("keeps an event whose text the first version could not store", async () => {
    tables = await Tables.open(First, StateMachine)
    const payload = String.raw`{"name":"a\u0000b","half":"\ud800","whole":"\ud83d\ude00"}`
    await oldEvent("evt_1", null, {}, { payload })
    await oldEvent("evt_2", null, {}, { payload: `{"whole":"\\ud83d\\ude00"}` })
    await oldEvent("evt_3", null, {}, { payload: null })
    await tables.migrate(StateMachine, "down")
    const rows = await tables.rows<{ payload: unknown }>("SELECT payload FROM stripe_event ORDER BY id")
    expect(rows[0]?.payload).toMatchObject({ name: "a\uFFFDb", half: "\uFFFD" })
    expect(rows[1]?.payload).toEqual({ whole: "\ud83d\ude00" })
    expect(rows[2]?.payload).toBeNull()
  })
})
