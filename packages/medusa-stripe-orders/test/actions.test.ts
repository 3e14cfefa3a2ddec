import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"
import {
  actionsOf,
  backorderReviews,
  dismissPayments,
  refundReviews,
  retryKind,
  retryReviews,
} from "../src/payments/actions"
import { searchPayments } from "../src/payments/search"
import { ALL, Tables } from "./tables"

let tables: Tables
beforeAll(async () => {
  tables = await Tables.open(...ALL)
})
afterAll(() => tables?.close())
beforeEach(() => tables.empty())

const statuses = async () =>
  Object.fromEntries(
    (await tables.rows<{ id: string; status: string }>("SELECT id, status FROM stripe_payment")).map(
      ({ id, status }) => [id, status],
    ),
  )

describe("payments that wait for a person", () => {
  beforeEach(async () => {
    await tables.insert("pi_price", {
      status: "review",
      reason: "paid 1.00 USD, but the order comes to 2.00 USD",
    })
    await tables.insert("pi_stripe", {
      status: "review",
      reason: "gave up after 20 attempts: Timeout of Stripe",
    })
    await tables.insert("pi_silent", { status: "review" })
    await tables.insert("pi_disputed", {
      status: "disputed",
      reason: "the buyer disputes it: Timeout",
      order_id: "o",
    })
    await tables.insert("pi_done", { status: "completed", reason: "timeout of Stripe" })
  })

  it.each<[object, string[]]>([
    [{ status: "review" }, ["pi_price", "pi_stripe", "pi_silent"]],
    [{ status: "review", reason: "timeout OF stripe" }, ["pi_stripe"]],
    [{ reason: "timeout" }, ["pi_stripe", "pi_disputed"]],
    [{ status: "review", reason: "%" }, []],
    [{ status: "completed" }, []],
    [{}, ["pi_price", "pi_stripe", "pi_silent", "pi_disputed"]],
  ])("are taken up again by kind: %j, and no others", async (kind, expected) => {
    const before = await statuses()
    expect((await retryKind(tables.db, "user_1", kind)).sort()).toEqual([...expected].sort())
    const after = await statuses()
    const moved = Object.keys(before).filter((id) => before[id] !== after[id])
    expect(moved.sort()).toEqual([...expected].sort())
    for (const id of expected) {
      expect(await tables.timeline(id)).toMatchObject([{ kind: "action", actor: "user_1" }])
    }
  })

  it("are taken up again though there are thousands, each once, by two persons at once", async () => {
    await tables.rows(
      `INSERT INTO stripe_payment (id, status, reason)
       SELECT 'pi_' || n, 'review', 'gave up: ' || n FROM generate_series(1, 2300) AS n`,
    )
    const retried = await Promise.all(
      ["user_1", "user_2"].map((person) => retryKind(tables.db, person, { reason: "gave up: " })),
    )
    expect(retried.flat()).toHaveLength(2_300)
    expect(new Set(retried.flat()).size).toBe(2_300)
    expect(await tables.rows("SELECT count(*)::int FROM stripe_timeline")).toEqual([{ count: 2_300 }])
  })

  it("may be acted on while news of their money interrupts the wait", async () => {
    const interrupted = { status: "money_moved", resume_to: "review", resume_reason: "why", order_id: "o" }
    for (const id of ["pi_a", "pi_b"])
      await tables.insert(id, { ...interrupted, claim: "c", claimed_by: "w" })
    await tables.insert("pi_other", { status: "money_moved", resume_to: "completed", order_id: "o" })

    expect(await retryReviews(tables.db, "user_1", ["pi_a", "pi_other"])).toEqual(["pi_a"])
    expect(await tables.payment("pi_a")).toMatchObject({ status: "ordered", resume_to: null, claim: null })
    expect(await dismissPayments(tables.db, "user_1", ["pi_b", "pi_other"], "settled")).toEqual(["pi_b"])
    const dismissed = {
      status: "money_moved",
      reason: null,
      resume_to: "dismissed",
      resume_reason: "settled",
    }
    expect(await tables.payment("pi_b")).toMatchObject({ ...dismissed, claim: null })
  })

  it("are found by a part of their reason, together with other conditions", async () => {
    const page = { limit: 10 }
    const found = async (search: object) => {
      const { stripe_payments, count } = await searchPayments(tables.db, { ...page, ...search })
      expect(count).toBe(stripe_payments.length)
      return stripe_payments.map(({ id }) => id).sort()
    }
    expect(await found({ reason: "Timeout" })).toEqual(["pi_disputed", "pi_done", "pi_stripe"])
    expect(await found({ reason: "Timeout", states: ["review"] })).toEqual(["pi_stripe"])
    expect(await found({ reason: "Timeout", q: "pi_done" })).toEqual(["pi_done"])
  })
})

describe("what a person may do about a payment", () => {
  const soldOut = { reason: "out of stock: 2 of Mug wanted, 1 available", order_id: null }

  it.each<[string, object, string[]]>([
    ["pending", soldOut, []],
    ["completed", { order_id: "o" }, []],
    ["review", soldOut, ["retry", "backorder", "refund", "dismiss"]],
    ["review", { reason: "its price differs" }, ["retry", "refund", "dismiss"]],
    ["review", { reason: soldOut.reason, order_id: "o" }, ["retry", "dismiss"]],
    ["disputed", { order_id: "o" }, ["retry", "dismiss"]],
    ["dismissed", {}, ["retry", "refund"]],
    ["ignored", {}, ["retry", "refund"]],
    ["refunded", soldOut, []],
  ])("is told, and nothing else is done: %s %j", async (status, more, expected) => {
    const row = { status, reason: null, order_id: null, ...more }
    await tables.insert("pi_1", row)
    const acts = {
      retry: () => retryReviews(tables.db, "user_1", ["pi_1"]),
      backorder: () => backorderReviews(tables.db, "user_1", ["pi_1"]),
      refund: () => refundReviews(tables.db, "user_1", ["pi_1"], "the buyer asked"),
      dismiss: () => dismissPayments(tables.db, "user_1", ["pi_1"], "settled"),
    }
    expect(actionsOf(row as never)).toEqual(expected)
    for (const [name, act] of Object.entries(acts)) {
      await tables.rows("UPDATE stripe_payment SET status = ?, reason = ?", [row.status, row.reason])
      expect(await act(), name).toEqual(expected.includes(name) ? ["pi_1"] : [])
    }
  })

  it("is done once, though two do it at once", async () => {
    await tables.insert("pi_1", { status: "review", ...soldOut })
    const done = await Promise.all([
      refundReviews(tables.db, "user_1", ["pi_1"], "sold out"),
      refundReviews(tables.db, "user_2", ["pi_1"], "sold out"),
      backorderReviews(tables.db, "user_3", ["pi_1"]),
    ])
    expect(done.flat()).toEqual(["pi_1"])
    expect(await tables.timeline("pi_1")).toHaveLength(1)
  })

  it("is forgotten with the next retry: a backorder counts once", async () => {
    await tables.insert("pi_1", { status: "review", ...soldOut })
    await backorderReviews(tables.db, "user_1", ["pi_1"])
    expect(await tables.payment("pi_1")).toMatchObject({ status: "lookup", backorders: true })
    await tables.rows("UPDATE stripe_payment SET status = 'review'")
    await retryReviews(tables.db, "user_1", ["pi_1"])
    expect(await tables.payment("pi_1")).toMatchObject({ status: "lookup", backorders: false })
  })
})
