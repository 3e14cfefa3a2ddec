import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { claimToDecide } from "../src/payments/queue"
import { PAYMENT_STATES } from "../src/payments/states"
import { openFound, takeUp } from "../src/payments/take-up"
import { ALL, Tables } from "./tables"

let tables: Tables
beforeAll(async () => {
  tables = await Tables.open(...ALL)
})
afterAll(() => tables?.close())
beforeEach(() => tables.empty())

const found = (id: string) => ({
  id,
  text: `found ${id}`,
  facts: { amount: 5, email: "a@b.example" },
  snapshot: "{}",
})

describe("payments that reconcile found", () => {
  it("are opened once, in their order, with what Stripe told, and decided about", async () => {
    await tables.insert("pi_b", { status: "completed" })
    const opened = await openFound(tables.db, "user_1", ["pi_z", "pi_b", "pi_a"].map(found))
    expect([...opened].sort()).toEqual(["pi_a", "pi_z"])
    expect(await tables.payment("pi_b")).toMatchObject({ status: "completed", email: null })
    expect(await tables.payment("pi_z")).toMatchObject({
      status: "pending",
      amount: "5",
      email: "a@b.example",
      snapshot: "{}",
      snapshot_revision: 0,
    })
    expect(await tables.timeline("pi_a")).toMatchObject([
      { kind: "action", actor: "user_1", status: "pending", text: "found pi_a" },
    ])
    expect(await tables.timeline("pi_b")).toEqual([])
    const decided = await claimToDecide(tables.db, "w", 50)
    expect(decided.map(({ id }) => id)).toEqual(["pi_z", "pi_a"])
  })

  it("are opened once by two persons at once, each time that it is tried", async () => {
    for (let round = 0; round < 20; round++) {
      const some = Array.from({ length: 20 }, (_, i) => found(`pi_${round}_${i}`))
      const turned = [...some].reverse()
      const opened = await Promise.all([some, turned].map((these) => openFound(tables.db, "user_1", these)))
      expect(opened.flatMap((ids) => [...ids])).toHaveLength(20)
    }
    expect(await tables.rows("SELECT count(*)::int FROM stripe_timeline")).toEqual([{ count: 400 }])
  })

  it.each(PAYMENT_STATES)("are taken up where they are still as they were: now %s", async (status) => {
    await tables.insert("pi_1", {
      status,
      due_at: new Date(Date.now() + 3_600_000),
      claim: "held",
      snapshot: "{}",
      attempts: 3,
      reason: "why",
    })
    const taken = await takeUp(tables.db, "user_1", [
      { id: "pi_1", text: "refunded in Stripe", from: "completed", to: "money_moved" },
    ])
    const isTaken = status === "completed"
    expect([...taken]).toEqual(isTaken ? ["pi_1"] : [])
    expect(await tables.payment("pi_1")).toMatchObject(
      isTaken
        ? { status: "money_moved", claim: null, snapshot: null, attempts: 0, reason: "why" }
        : { status, claim: "held", snapshot: "{}", attempts: 3 },
    )
    expect(await tables.isDue("pi_1")).toBe(isTaken)
    expect(await tables.timeline("pi_1")).toHaveLength(isTaken ? 1 : 0)
  })
})
