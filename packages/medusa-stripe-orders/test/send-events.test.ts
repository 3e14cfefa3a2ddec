import type { MedusaContainer } from "@medusajs/framework/types"
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { readOutbox } from "../src/outbox/outbox"
import { sendEvents } from "../src/outbox/send-events"
import { retryReviews } from "../src/payments/actions"
import { applyOutcomes, type Line, type Outcome } from "../src/payments/payments"
import type { PaymentState } from "../src/payments/states"
import { ALL, Tables } from "./tables"

const LINE: Line = { kind: "decision", text: "Was decided" }

let tables: Tables
beforeAll(async () => {
  tables = await Tables.open(...ALL)
})
afterAll(() => tables?.close())
beforeEach(() => tables.empty())

async function step(id: string, to: PaymentState, more: Partial<Outcome> = {}): Promise<void> {
  await tables.rows("UPDATE stripe_payment SET claim = 'mine' WHERE id = ?", [id])
  await applyOutcomes(tables.db, "worker 1", [{ id, claim: "mine", revision: 0, to, lines: [LINE], ...more }])
}

const outbox = async () =>
  (await readOutbox(tables.db, 1_000)).map(({ name, data }) => [
    name.replace("stripe_payment.", ""),
    data.reason,
  ])

interface Emitted {
  name: string
  data: { id: string; event_id: string }
}

/** A bus that does as it is told. */
function busThat(emit: (events: Emitted[]) => Promise<void>): MedusaContainer {
  return { resolve: () => ({ emit }) } as unknown as MedusaContainer
}
const send = (bus: MedusaContainer) => sendEvents(bus, tables.db, () => true)

describe("an outcome", () => {
  it("is told once: neither an attempt nor another way to the same end tells it again", async () => {
    await tables.insert("pi_1")
    await step("pi_1", "ordered", { facts: { order_id: "order_1" } })
    await step("pi_1", "ordered", { attempts: "failed", error: "no answer" })
    await step("pi_1", "completed")
    await step("pi_1", "money_moved")
    await step("pi_1", "completed")
    expect(await outbox()).toEqual([
      ["ordered", null],
      ["completed", null],
    ])
    expect(await readOutbox(tables.db, 1)).toMatchObject([{ data: { id: "pi_1", order_id: "order_1" } }])
  })

  it("is told with its transaction, or not at all", async () => {
    await tables.insert("pi_1", { claim: "mine" })
    const rolledBack = tables.db.transaction(async (trx) => {
      const outcome = { id: "pi_1", claim: "mine", revision: 0, to: "ordered" as const, lines: [LINE] }
      await applyOutcomes(trx, "worker 1", [outcome])
      throw new Error("rolled back")
    })
    await expect(rolledBack).rejects.toThrow("rolled back")
    expect(await outbox()).toEqual([])
  })

  it("is not told where the step came too late", async () => {
    await tables.insert("pi_1")
    await step("pi_1", "ordered", { claim: "another's" })
    expect(await outbox()).toEqual([])
  })

  it("that is sold out is told so, and then that the money is back", async () => {
    const reason = "out of stock: 1 of Lantern wanted, 0 available"
    for (const id of ["pi_1", "pi_2"]) {
      await tables.insert(id)
      await step(id, "refunding", { reason: id === "pi_1" ? reason : "cart c became order o" })
      await step(id, "refunded", { reason: id === "pi_1" ? reason : "cart c became order o" })
    }
    expect(await outbox()).toEqual([
      ["sold_out", reason],
      ["refunded", reason],
      ["refunded", "cart c became order o"],
    ])
  })

  it("that is the same again after a person's retry is told again", async () => {
    await tables.insert("pi_1")
    await step("pi_1", "review", { reason: "why" })
    await retryReviews(tables.db, "user_1", ["pi_1"])
    await step("pi_1", "review", { reason: "why" })
    expect(await outbox()).toEqual([
      ["review", "why"],
      ["review", "why"],
    ])
  })

  it("is not told anew by what is done about it after a retry, but by what becomes of it", async () => {
    await tables.insert("pi_1")
    await step("pi_1", "ordered", { facts: { order_id: "order_1", payment_id: "pay_1" } })
    await step("pi_1", "review", { reason: "why" })
    await retryReviews(tables.db, "user_1", ["pi_1"])
    await step("pi_1", "ordered", { facts: { captured_at: new Date() } })
    await step("pi_1", "completed")
    expect((await outbox()).map(([name]) => name)).toEqual(["ordered", "review", "completed"])
  })

  it.each([
    [
      "gave up after 20 attempts: Customer with email ada@shop.example\nalready exists",
      "gave up after 20 attempts",
    ],
    [
      "cart c is paid, but its completion was refused: no <ada@shop.example> here",
      "cart c is paid, but its completion was refused: no <…> here",
    ],
  ])("tells nothing personal: %s", async (reason, told) => {
    await tables.insert("pi_1")
    await step("pi_1", "review", { reason })
    expect(await outbox()).toEqual([["review", told]])
  })
})

describe("sending", () => {
  it("takes the events in their order, and removes what the bus has taken", async () => {
    const events: Emitted[] = []
    for (let i = 0; i < 120; i++) {
      await tables.insert(`pi_${i}`)
      await step(`pi_${i}`, "ordered")
    }
    await send(busThat(async (some) => void events.push(...some)))
    expect(events.map(({ data }) => data.id)).toEqual(Array.from({ length: 120 }, (_, i) => `pi_${i}`))
    expect(await outbox()).toEqual([])
  })

  it("that fails is made up for by the next, with the same ids", async () => {
    await tables.insert("pi_1")
    await step("pi_1", "ordered")
    const seen: string[] = []
    const note = (events: Emitted[]) => seen.push(...events.map(({ data }) => data.event_id))
    const failing = busThat(async (events) => {
      note(events)
      throw new Error("the bus is down")
    })
    await expect(send(failing)).rejects.toThrow("the bus is down")
    await send(busThat(async (events) => void note(events)))
    expect(seen).toHaveLength(2)
    expect(new Set(seen).size).toBe(1)
    expect(await outbox()).toEqual([])
  })

  it("to a bus that hangs holds up no payment, and no row is locked", async () => {
    await tables.insert("pi_1")
    await step("pi_1", "ordered")
    let answer = () => {}
    let reached = () => {}
    const isReached = new Promise<void>((resolve) => {
      reached = resolve
    })
    const hanging = send(
      busThat(() => {
        reached()
        return new Promise((resolve) => {
          answer = resolve
        })
      }),
    )
    await isReached
    await tables.rows("SELECT * FROM stripe_outbox FOR UPDATE NOWAIT")
    await step("pi_1", "completed")
    answer()
    await hanging
    expect(await outbox()).toEqual([["completed", null]])
  })
})
