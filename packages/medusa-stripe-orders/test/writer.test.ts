import fc from "fast-check"
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { dismissPayments, retryReviews } from "../src/payments/actions"
import { applyOutcomes, type Line, type Outcome } from "../src/payments/payments"
import { claimToDecide } from "../src/payments/queue"
import { mayBecome, PAYMENT_STATES, type PaymentState } from "../src/payments/states"
import { ALL, receiveOne, Tables } from "./tables"

const LINE: Line = { kind: "decision", text: "Was decided" }

let tables: Tables
beforeAll(async () => {
  tables = await Tables.open(...ALL)
})
afterAll(() => tables?.close())
beforeEach(() => tables.empty())

const outcome = (id: string, to: PaymentState, more: Partial<Outcome> = {}): Outcome => ({
  id,
  claim: "mine",
  revision: 1,
  to,
  lines: [LINE],
  ...more,
})
const apply = (...outcomes: Outcome[]) => applyOutcomes(tables.db, "worker 1", outcomes)

/** A payment that this test holds. */
const held = (id: string, columns: Record<string, unknown> = {}) =>
  tables.insert(id, { claim: "mine", claimed_by: "worker 1", revision: 1, ...columns })

const event = (id: string, type = "payment_intent.succeeded") => ({
  id,
  type,
  api_version: "2026-10-28.endive",
  livemode: false,
  created: 1_800_000_000,
  payload: "{}",
})

describe("the outcome of a step", () => {
  it("is row and timeline line together, and gives the claim back", async () => {
    await held("pi_1", { claimed_until: new Date(Date.now() + 10_000) })
    const facts = {
      order_id: "order_1",
      captured_at: new Date("2026-11-27T10:00:00Z"),
      amount: 9_007_199_254_740_991,
    }
    const line: Line = { kind: "decision", text: "Became an order", data: { order_id: "order_1" } }
    expect(await apply(outcome("pi_1", "ordered", { facts, lines: [line] }))).toEqual(new Set(["pi_1"]))
    expect(await tables.payment("pi_1")).toMatchObject({
      status: "ordered",
      order_id: "order_1",
      captured_at: facts.captured_at,
      amount: "9007199254740991",
      claim: null,
      claimed_by: null,
      claimed_until: null,
    })
    expect(await tables.timeline("pi_1")).toEqual([{ ...line, actor: "worker 1", status: "ordered" }])
  })

  it("is not written for a payment that another claim holds by now", async () => {
    await held("pi_1", { claim: "another's", claimed_by: "worker 2" })
    await tables.rows(`INSERT INTO stripe_event (id, type, livemode, created, payment_intent_id, revision, status, payload)
      VALUES ('evt_1', 't', false, now(), 'pi_1', 1, 'pending', '{}')`)
    const before = await tables.payment("pi_1")
    expect(await apply(outcome("pi_1", "ordered"))).toEqual(new Set())
    expect(await tables.payment("pi_1")).toEqual(before)
    expect(await tables.timeline("pi_1")).toEqual([])
    expect(await tables.rows("SELECT status FROM stripe_event")).toEqual([{ status: "pending" }])
  })

  it("is not written for a payment that no one holds, or that is gone", async () => {
    await tables.insert("pi_free")
    expect(await apply(outcome("pi_free", "ordered"), outcome("pi_gone", "ordered"))).toEqual(new Set())
    expect(await tables.payment("pi_free")).toMatchObject({ status: "pending" })
    expect(await tables.rows("SELECT * FROM stripe_timeline")).toEqual([])
  })

  it("is written where the payment's state leads to the new one, and nowhere else", async () => {
    const pairs = PAYMENT_STATES.flatMap((from) =>
      PAYMENT_STATES.map((to) => ({ id: `${from}>${to}`, from, to })),
    )
    for (const { id, from } of pairs) {
      await held(id, { status: from })
    }
    const allowed = pairs.filter(({ from, to }) => mayBecome(to).includes(from)).map(({ id }) => id)
    const written = await apply(...pairs.map(({ id, to }) => outcome(id, to)))
    expect([...written].sort()).toEqual([...allowed].sort())
    for (const { id, from, to } of pairs) {
      expect(await tables.payment(id)).toMatchObject({ status: written.has(id) ? to : from })
      expect(await tables.timeline(id)).toHaveLength(written.has(id) ? 1 : 0)
    }
  })

  it("of one is written though another's of the same batch came too late", async () => {
    await held("pi_1")
    await held("pi_2", { claim: "another's" })
    await held("pi_3")
    expect(await apply(...["pi_1", "pi_2", "pi_3"].map((id) => outcome(id, "void")))).toEqual(
      new Set(["pi_1", "pi_3"]),
    )
  })

  it("is written once, however many write it at the same moment", async () => {
    await held("pi_1")
    const written = await Promise.all(Array.from({ length: 8 }, () => apply(outcome("pi_1", "ordered"))))
    expect(written.filter((ids) => ids.has("pi_1"))).toHaveLength(1)
    expect(await tables.timeline("pi_1")).toHaveLength(1)
  })

  it.each<[PaymentState, PaymentState, PaymentState]>([
    ["lookup", "lookup", "pending"],
    ["pending", "awaiting_payment", "pending"],
    ["pending", "void", "pending"],
    ["pending", "ordered", "ordered"],
    ["ordered", "awaiting_capture", "awaiting_capture"],
    ["ordered", "completed", "completed"],
    ["pending", "review", "review"],
  ])("from %s to %s is due at once where an event came meanwhile, as %s", async (from, to, then) => {
    await held("pi_1", { status: from, revision: 2 })
    await apply(outcome("pi_1", to, { revision: 1, due_in_ms: 3_600_000 }))
    expect(await tables.payment("pi_1")).toMatchObject({ status: then })
    expect(await tables.isDue("pi_1")).toBe(true)
  })

  it("waits as long as it says where no event came", async () => {
    await held("pi_1")
    await apply(outcome("pi_1", "awaiting_payment", { due_in_ms: 3_600_000 }))
    const { due_at } = await tables.payment("pi_1")
    expect(due_at.getTime() - Date.now()).toBeGreaterThan(3_500_000)
  })

  it("settles the events that the step has seen, and no later one", async () => {
    await receiveOne(tables.db, event("evt_1"), { payment_intent_id: "pi_1", opens: true, news: "progress" })
    const [payment] = await claimToDecide(tables.db, "worker 1", 10)
    await receiveOne(tables.db, event("evt_2"), { payment_intent_id: "pi_1", opens: true, news: "progress" })
    await apply(outcome("pi_1", "pending", { claim: payment?.claim ?? "", revision: payment?.revision }))
    expect(await tables.rows("SELECT id, status FROM stripe_event ORDER BY id")).toEqual([
      { id: "evt_1", status: "settled" },
      { id: "evt_2", status: "pending" },
    ])
  })

  it("counts attempts: one that failed adds, one that says nothing keeps, one that succeeded ends them", async () => {
    const step = async (more: Partial<Outcome>) => {
      await tables.rows("UPDATE stripe_payment SET claim = 'mine'")
      await apply(outcome("pi_1", "pending", more))
      const { attempts, last_error } = await tables.payment("pi_1")
      return [attempts, last_error]
    }
    await held("pi_1")
    expect(await step({ attempts: "failed", error: "first" })).toEqual([1, "first"])
    expect(await step({ attempts: "failed", error: "second" })).toEqual([2, "second"])
    expect(await step({ attempts: "kept" })).toEqual([2, "second"])
    expect(await step({ attempts: "kept", error: "busy" })).toEqual([2, "busy"])
    expect(await step({})).toEqual([0, null])
  })

  it("keeps the facts that the step says nothing of, and its reason is the latest step's", async () => {
    await held("pi_1", { email: "ada@shop.example", name: "Ada", cart_id: "cart_1", reason: "before" })
    await apply(outcome("pi_1", "lookup", { facts: { name: "Ada Lovelace", snapshot: "{}" } }))
    expect(await tables.payment("pi_1")).toMatchObject({
      email: "ada@shop.example",
      name: "Ada Lovelace",
      cart_id: "cart_1",
      reason: null,
      snapshot: "{}",
      snapshot_revision: 1,
    })
  })

  it("holds any text: what Postgres can't store is replaced", async () => {
    await held("pi_1")
    const text = "a\u0000b\ud800"
    await apply(outcome("pi_1", "review", { reason: text, error: text, lines: [{ kind: "attempt", text }] }))
    const stored = "a\uFFFDb\uFFFD"
    expect(await tables.payment("pi_1")).toMatchObject({ reason: stored, last_error: stored })
    expect(await tables.timeline("pi_1")).toMatchObject([{ text: stored }])
  })

  it("holds any data of a line too", async () => {
    await held("pi_1")
    const data = { message: "a\u0000b", "k\ud800": ["\udfff"] }
    await apply(outcome("pi_1", "review", { lines: [{ kind: "attempt", text: "failed", data }] }))
    expect(await tables.timeline("pi_1")).toMatchObject([
      { data: { message: "a\uFFFDb", "k\uFFFD": ["\uFFFD"] } },
    ])
  })
})

describe("the timeline", () => {
  it("only grows, whatever happens to the payment", async () => {
    const steps = fc.array(
      fc.oneof(
        fc.record({
          step: fc.constant("event" as const),
          type: fc.constantFrom("charge.refunded", "payment_intent.succeeded"),
        }),
        fc.record({
          step: fc.constant("outcome" as const),
          to: fc.constantFrom(...PAYMENT_STATES),
          attempts: fc.constantFrom("reset" as const, "failed" as const, "kept" as const),
          isStale: fc.boolean(),
        }),
        fc.record({ step: fc.constant("retry" as const) }),
      ),
      { minLength: 1, maxLength: 12 },
    )
    let round = 0
    await fc.assert(
      fc.asyncProperty(steps, async (steps) => {
        const id = `pi_${++round}`
        await held(id)
        let before: unknown[] = []
        for (const [number, step] of steps.entries()) {
          if (step.step === "event") {
            await receiveOne(tables.db, event(`${id}_${number}`, step.type), {
              payment_intent_id: id,
              news: step.type === "charge.refunded" ? "refund" : "progress",
            })
          } else if (step.step === "retry") {
            await retryReviews(tables.db, "user_1", [id])
          } else {
            await tables.rows("UPDATE stripe_payment SET claim = 'mine' WHERE id = ?", [id])
            const claim = step.isStale ? "another's" : "mine"
            await apply(outcome(id, step.to, { claim, attempts: step.attempts }))
          }
          const after = await tables.rows(
            "SELECT * FROM stripe_timeline WHERE payment_intent_id = ? ORDER BY id",
            [id],
          )
          expect(after.slice(0, before.length)).toEqual(before)
          before = after
        }
      }),
      { numRuns: 60 },
    )
  })
})

describe("an outcome that comes after news of the payment", () => {
  it.each([
    ["refund.failed", "money", "refunded", "refunding"],
    ["charge.refunded", "refund", "refunded", "refunded"],
    ["charge.refunded", "refund", "completed", "money_moved"],
    ["charge.dispute.created", "money", "completed", "money_moved"],
    ["charge.succeeded", "progress", "completed", "completed"],
  ] as const)("of %s (%s), and leads to %s, makes it %s", async (type, news, to, state) => {
    await held("pi_1", { status: to === "refunded" ? "refunding" : "money_moved" })
    await receiveOne(tables.db, event("evt_1", type), { payment_intent_id: "pi_1", news })
    await apply(outcome("pi_1", to))
    expect(await tables.payment("pi_1")).toMatchObject({ status: state, reason: null })
    expect(await tables.isDue("pi_1")).toBe(true)
  })
})

describe("a review that a cancellation overtook", () => {
  it.each([
    ["is decided about anew without an order", null, "pending"],
    ["is shown on the order with one", "order_1", "money_moved"],
  ])("%s", async (_, order_id, status) => {
    const canceled = event("evt_1", "payment_intent.canceled")
    await held("pi_1", { order_id, status: "pending" })
    await receiveOne(tables.db, canceled, { payment_intent_id: "pi_1", news: "canceled" })
    await apply(outcome("pi_1", "review", { reason: "why" }))
    const resumed = order_id ? { resume_to: "review", resume_reason: "why" } : { resume_to: null }
    expect(await tables.payment("pi_1")).toMatchObject({ status, ...resumed })
  })
})

describe("a person's dismissal", () => {
  const dismiss = (...ids: string[]) => dismissPayments(tables.db, "user_1", ids, "is a\u0000 gift")

  it("puts aside what waits for a person, and says who and why", async () => {
    await held("pi_1", { status: "review", reason: "why", attempts: 7, last_error: "no" })
    await tables.insert("pi_2", { status: "disputed", order_id: "order_2" })
    await tables.insert("pi_3", { status: "completed" })
    await tables.insert("pi_4", { status: "pending" })
    const dismissed = await dismiss("pi_1", "pi_2", "pi_3", "pi_4", "pi_none", "\u0000")
    expect(dismissed.sort()).toEqual(["pi_1", "pi_2"])
    const aside = {
      status: "dismissed",
      reason: "is a\uFFFD gift",
      attempts: 0,
      last_error: null,
      claim: null,
    }
    expect(await tables.payment("pi_1")).toMatchObject(aside)
    expect(await tables.payment("pi_4")).toMatchObject({ status: "pending" })
    expect(await tables.timeline("pi_1")).toMatchObject([
      { kind: "action", actor: "user_1", status: "dismissed", text: "Dismissed: is a\uFFFD gift" },
    ])
    expect(await tables.timeline("pi_3")).toEqual([])
  })

  it("is taken back by a retry", async () => {
    await tables.insert("pi_1", { status: "review" })
    await dismiss("pi_1")
    expect(await retryReviews(tables.db, "user_1", ["pi_1"])).toEqual(["pi_1"])
    expect(await tables.payment("pi_1")).toMatchObject({ status: "lookup", reason: null })
  })
})

describe("a person's retry", () => {
  it("takes a payment in review up again: to its order where it has one, else Stripe is asked anew", async () => {
    const review = {
      status: "review",
      reason: "why",
      attempts: 7,
      last_error: "no",
      snapshot: "{}",
      snapshot_revision: 1,
    }
    await tables.insert("pi_1", { ...review, due_at: new Date(Date.now() + 3_600_000) })
    await tables.insert("pi_2", { ...review, order_id: "order_2" })
    await tables.insert("pi_3", { status: "completed" })
    const done = { payment_id: "pay_4", placed_at: new Date(), captured_at: new Date() }
    await tables.insert("pi_4", { ...review, status: "disputed", order_id: "order_4", ...done })
    expect(await retryReviews(tables.db, "user_1", ["pi_4"])).toEqual(["pi_4"])
    expect(await tables.payment("pi_4")).toMatchObject({ status: "money_moved" })
    const retried = await retryReviews(tables.db, "user_1", ["pi_1", "pi_2", "pi_3", "pi_none"])
    expect(retried.sort()).toEqual(["pi_1", "pi_2"])
    const cleared = { reason: null, attempts: 0, last_error: null, snapshot: null, snapshot_revision: null }
    expect(await tables.payment("pi_1")).toMatchObject({ status: "lookup", ...cleared })
    expect(await tables.payment("pi_2")).toMatchObject({ status: "ordered", ...cleared })
    expect(await tables.payment("pi_3")).toMatchObject({ status: "completed" })
    expect(await tables.isDue("pi_1")).toBe(true)
    expect(await tables.timeline("pi_1")).toMatchObject([
      { kind: "action", actor: "user_1", status: "lookup" },
    ])
    expect(await tables.timeline("pi_3")).toEqual([])
  })

  it("counts once, however often it is asked for at the same moment", async () => {
    await tables.insert("pi_1", { status: "review" })
    const retried = await Promise.all(
      Array.from({ length: 8 }, () => retryReviews(tables.db, "user_1", ["pi_1"])),
    )
    expect(retried.flat()).toEqual(["pi_1"])
    expect(await tables.timeline("pi_1")).toHaveLength(1)
  })

  it("is not undone by a step that was at work on the payment", async () => {
    await held("pi_1", { status: "review" })
    await retryReviews(tables.db, "user_1", ["pi_1"])
    expect(await apply(outcome("pi_1", "review"))).toEqual(new Set())
    expect(await tables.payment("pi_1")).toMatchObject({ status: "lookup", claim: null })
  })
})
