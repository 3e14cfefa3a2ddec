import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { type EventConcern, type IncomingEvent, unknownEvents } from "../src/payments/inbox"
import { applyOutcomes } from "../src/payments/payments"
import { claimToDecide } from "../src/payments/queue"
import { AFTER_EVENT, PAYMENT_STATES } from "../src/payments/states"
import { ALL, receiveOne, Tables } from "./tables"

let tables: Tables
beforeAll(async () => {
  tables = await Tables.open(...ALL)
})
afterAll(() => tables?.close())
beforeEach(() => tables.empty())

const OPENS: EventConcern = { payment_intent_id: "pi_1", opens: true, news: "progress" as const }
const NOTED: EventConcern = { payment_intent_id: "pi_1", news: "progress" }

const receive = (
  id: string,
  concern: EventConcern | null,
  payload = `{"id":"${id}"}`,
  more: Partial<IncomingEvent> = {},
) =>
  receiveOne(
    tables.db,
    {
      id,
      type: "payment_intent.succeeded",
      api_version: null,
      livemode: false,
      created: 1_800_000_000,
      payload,
      ...more,
    },
    concern,
  )
const events = () =>
  tables.rows("SELECT id, status, deliveries, revision, payload FROM stripe_event ORDER BY revision, id")

describe("an event that comes in", () => {
  it("makes its payment's row, due at once, with a line", async () => {
    await receive("evt_1", { ...OPENS, facts: { amount: 1200, email: "ada@shop.example" } })
    expect(await tables.payment("pi_1")).toMatchObject({
      status: "pending",
      revision: 1,
      amount: "1200",
      email: "ada@shop.example",
    })
    expect(await tables.isDue("pi_1")).toBe(true)
    expect(await tables.timeline("pi_1")).toMatchObject([
      { kind: "event", actor: "Stripe", status: "pending", data: { event_id: "evt_1" } },
    ])
  })

  it("ten times at once is one event, one line, one payment, each time that it is tried", async () => {
    for (let round = 0; round < 25; round++) {
      const id = `pi_${round}`
      const concern = { payment_intent_id: id, opens: true, news: "progress" as const }
      await Promise.all(Array.from({ length: 10 }, () => receive(`evt_${round}`, concern)))
      expect(await tables.timeline(id)).toHaveLength(1)
    }
    expect(await tables.rows("SELECT DISTINCT deliveries FROM stripe_event")).toEqual([{ deliveries: 10 }])
    expect(await tables.rows("SELECT id FROM stripe_payment")).toHaveLength(25)
  })

  it("again after it was settled changes nothing of the payment", async () => {
    await receive("evt_1", OPENS)
    const [claimed] = await claimToDecide(tables.db, "w", 1)
    const { claim = "", revision = 0 } = claimed ?? {}
    const line = { kind: "decision" as const, text: "done" }
    await applyOutcomes(tables.db, "w", [{ id: "pi_1", claim, revision, to: "void", lines: [line] }])
    const before = await tables.payment("pi_1")
    await receive("evt_1", OPENS)
    expect(await tables.payment("pi_1")).toEqual(before)
    expect(await tables.timeline("pi_1")).toHaveLength(2)
  })

  it("beside many others of its payment at once: each has a revision and a line of its own", async () => {
    const ids = Array.from({ length: 20 }, (_, i) => `evt_${i}`)
    await Promise.all(ids.map((id, i) => receive(id, i % 2 ? OPENS : NOTED)))
    const stored = await events()
    expect(stored).toHaveLength(20)
    const opened = stored.filter(({ status }) => status !== "ignored")
    const revisions = opened.map(({ revision }) => revision as number)
    expect([...revisions].sort((a, b) => a - b)).toEqual(revisions.map((_, i) => i + 1))
    expect((await tables.payment("pi_1")).revision).toBe(opened.length)
    expect(await tables.timeline("pi_1")).toHaveLength(opened.length)
  })

  it("and was fetched is no delivery, and says so; delivered afterwards it is one, and no second line", async () => {
    await receive("evt_1", OPENS, "{}", { isFetched: true })
    expect(await events()).toMatchObject([{ deliveries: 0, revision: 1 }])
    const text = "Fetched from Stripe, which had not delivered it: payment_intent.succeeded"
    expect(await tables.timeline("pi_1")).toMatchObject([{ kind: "event", actor: "Stripe", text }])
    await receive("evt_1", OPENS)
    await receive("evt_1", OPENS, "{}", { isFetched: true })
    expect(await events()).toMatchObject([{ deliveries: 1, revision: 1 }])
    expect(await tables.timeline("pi_1")).toHaveLength(1)
  })

  it("fetched and delivered at the same moment is one event with one line, each time that it is tried", async () => {
    for (let round = 0; round < 25; round++) {
      const concern = { payment_intent_id: `pi_${round}`, opens: true, news: "progress" as const }
      const both = [true, false].map((isFetched) => receive(`evt_${round}`, concern, "{}", { isFetched }))
      await Promise.all(both)
      expect(await tables.timeline(`pi_${round}`)).toHaveLength(1)
    }
    expect(await tables.rows("SELECT DISTINCT deliveries FROM stripe_event")).toEqual([{ deliveries: 1 }])
  })

  it("is unknown until it is stored", async () => {
    await receive("evt_1", OPENS)
    expect(await unknownEvents(tables.db, [{ id: "evt_2" }, { id: "evt_1" }])).toEqual([{ id: "evt_2" }])
  })

  it("opens no payment where its type doesn't, and is kept", async () => {
    await receive("evt_1", NOTED)
    expect(await events()).toMatchObject([{ status: "ignored", revision: null }])
    expect(await tables.rows("SELECT id FROM stripe_payment")).toEqual([])
    expect(await tables.rows("SELECT id FROM stripe_timeline")).toEqual([])
  })

  it("that opens nothing is news of a payment that is known", async () => {
    await tables.insert("pi_1", { due_at: new Date(Date.now() + 3_600_000) })
    await receive("evt_1", NOTED)
    expect(await tables.payment("pi_1")).toMatchObject({ status: "pending", revision: 1 })
    expect(await tables.isDue("pi_1")).toBe(true)
    expect(await events()).toMatchObject([{ status: "pending", revision: 1 }])
    expect(await tables.timeline("pi_1")).toHaveLength(1)
  })

  it("that is about no payment is kept as it is", async () => {
    await receive("evt_1", null)
    expect(await events()).toMatchObject([{ status: "ignored", payload: '{"id":"evt_1"}' }])
  })

  const cases = (["progress", "refund", "money", "canceled"] as const).flatMap((news) =>
    PAYMENT_STATES.map((status) => ({ news, status, to: AFTER_EVENT[news][status] ?? status })),
  )

  it.each(cases)("of $news takes a payment that is $status to $to", async ({ status, news, to }) => {
    const later = new Date(Date.now() + 3_600_000)
    await tables.insert("pi_1", { status, claim: "held", claimed_until: later })
    await receive("evt_1", { ...NOTED, news })
    const moved = to !== status
    // A step that is at work on it may go on only where it still speaks of the same state.
    expect(await tables.payment("pi_1")).toMatchObject({
      status: to,
      claim: moved ? null : "held",
      claimed_until: moved ? null : later,
    })
  })

  it.each(["canceled", "money", "refund", "paid"] as const)(
    "of a payment whose order a person has judged, or is to judge, that tells %s, interrupts the verdict and keeps it",
    async (news) => {
      for (const status of ["review", "dismissed"]) {
        const id = `pi_${status}`
        await tables.insert(id, { status, order_id: "order_1", reason: "why" })
        await receive(`evt_${status}`, { ...NOTED, payment_intent_id: id, news })
        expect(await tables.payment(id)).toMatchObject({
          ...{ status: "money_moved", revision: 1, reason: "why" },
          ...{ resume_to: status, resume_reason: "why" },
        })
      }
    },
  )

  it("of a payment in review without an order changes nothing but where it was canceled", async () => {
    for (const news of ["money", "refund", "paid", "progress"] as const) {
      await tables.insert(`pi_${news}`, { status: "review", reason: "why" })
      await receive(`evt_${news}`, { ...NOTED, payment_intent_id: `pi_${news}`, news })
      expect(await tables.payment(`pi_${news}`)).toMatchObject({ status: "review", resume_to: null })
    }
  })

  it("that tells of money for a canceled order has it given back, though the payment had come to its end", async () => {
    await tables.insert("pi_1", { status: "canceled", order_id: "order_1" })
    await receive("evt_1", { ...OPENS, news: "paid" })
    expect(await tables.payment("pi_1")).toMatchObject({ status: "refunding" })
  })

  it("keeps what is known where it says nothing, and brings what is new", async () => {
    await tables.insert("pi_1", { email: "ada@shop.example", amount: 5 })
    await receive("evt_1", { ...OPENS, facts: { email: null, amount: 7, name: "Ada" } })
    expect(await tables.payment("pi_1")).toMatchObject({
      email: "ada@shop.example",
      amount: "7",
      name: "Ada",
    })
  })

  it("is stored as it was signed, whatever it holds", async () => {
    const payload = String.raw`{"name":"a\u0000b\ud800","big":1e999,"twice":1,"twice":2}`
    await receive("evt_1", OPENS, payload)
    expect(await events()).toMatchObject([{ payload }])
  })

  it("is taken though a name is longer than an index holds", async () => {
    const name = Array.from({ length: 5_000 }, (_, i) =>
      String.fromCodePoint(0x4e00 + ((i * 7919) % 20_000)),
    ).join("")
    await receive("evt_1", { ...OPENS, facts: { name, email: `${name}@shop.example` } })
    expect(await tables.payment("pi_1")).toMatchObject({ name: name.slice(0, 500) })
  })

  it("is taken though a long name is cut in the middle of a character", async () => {
    await receive("evt_1", { ...OPENS, facts: { name: `a${"\u{1f600}".repeat(300)}` } })
    expect((await tables.payment("pi_1")).name).toBe(`a${"\u{1f600}".repeat(249)}\uFFFD`)
  })
})
