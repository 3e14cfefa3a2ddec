import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { applyOutcomes } from "../src/payments/payments"
import {
  BY_HAND,
  type ClaimedPayment,
  claimByHand,
  claimToCarryOut,
  claimToDecide,
  countWorkers,
  type Lane,
  releaseClaims,
  releaseLeases,
  renewClaims,
  takeLease,
} from "../src/payments/queue"
import { PAYMENT_STATES, type PaymentState, statesOf } from "../src/payments/states"
import { ALL, Tables } from "./tables"

let tables: Tables
beforeAll(async () => {
  tables = await Tables.open(...ALL)
})
afterAll(() => tables?.close())
beforeEach(() => tables.empty())

const ids = (claimed: { id: string }[]) => claimed.map(({ id }) => id)
const decide = (limit = 50, worker = "worker 1") => claimToDecide(tables.db, worker, limit)
const carryOut = (lane: Lane, { limit = 50, capturesAfterStock = true, worker = "worker 1" } = {}) =>
  claimToCarryOut(tables.db, worker, lane, { limit, capturesAfterStock })

/** `count` payments, which arrive in the order of their numbers; their ids are in another. */
async function insertMany(count: number, columns = ""): Promise<string[]> {
  const status = columns || "'pending', NULL"
  const rows = await tables.rows<{ id: string }>(
    `INSERT INTO stripe_payment (id, status, captured_at)
     SELECT 'pi_' || md5(n::text), ${status} FROM generate_series(1, ${count}) AS n RETURNING id, arrival`,
  )
  return ids(rows)
}

const past = (ms: number) => new Date(Date.now() - ms)
const expireClaims = () =>
  tables.rows("UPDATE stripe_payment SET claimed_until = now() - interval '1 second'")

/** Everything that eight claimers get who go on until nothing is left. */
async function claimAll(claim: (claimer: number) => Promise<ClaimedPayment[]>, limit: number) {
  const claimers = Array.from({ length: 8 }, async (_, claimer) => {
    const got: ClaimedPayment[][] = []
    for (let empty = 0; empty < 3; ) {
      const claimed = await claim(claimer)
      expect(claimed.length).toBeLessThanOrEqual(limit)
      empty = claimed.length === 0 ? empty + 1 : 0
      got.push(claimed)
    }
    return got.filter(({ length }) => length > 0)
  })
  return (await Promise.all(claimers)).flat()
}

describe("payments to decide about", () => {
  it("are claimed in the order of their arrival, no more than asked for", async () => {
    const arrived = await insertMany(20)
    expect(ids(await decide(7))).toEqual(arrived.slice(0, 7))
    expect(ids(await decide(50))).toEqual(arrived.slice(7))
    expect(await decide()).toEqual([])
  })

  it("are each claimed once by eight claims at a time, which get no more than they ask for", async () => {
    const arrived = await insertMany(500)
    const batches = await claimAll(() => decide(7), 7)
    expect(ids(batches.flat()).sort()).toEqual([...arrived].sort())
    expect(new Set(batches.map(([first]) => first?.claim)).size).toBe(batches.length)
    const places = batches.map((batch) => batch.map(({ arrival }) => Number(arrival)))
    expect(places).toEqual(places.map((some) => [...some].sort((a, b) => a - b)))
  })

  it("wait for their time, and are left alone where they were deleted", async () => {
    await tables.insert("pi_later", { due_at: new Date(Date.now() + 60_000) })
    await tables.insert("pi_gone", { deleted_at: past(1_000) })
    expect(await decide()).toEqual([])
  })

  it("are not claimed twice by the worker that has them, until its claims have run out", async () => {
    await insertMany(3)
    const first = await decide()
    expect(await decide()).toEqual([])
    await expireClaims()
    const second = await decide()
    expect(ids(second)).toEqual(ids(first))
    expect(second[0]?.claim).not.toBe(first[0]?.claim)
  })

  it("are taken over from a worker that may no longer decide, and can't be written by it", async () => {
    await insertMany(2)
    const old = await decide(50, "worker 1")
    const taken = await decide(50, "worker 2")
    expect(ids(taken)).toEqual(ids(old))
    const line = { kind: "decision" as const, text: "late" }
    const late = old.map(({ id, claim, revision }) => ({
      id,
      claim,
      revision,
      to: "void" as const,
      lines: [line],
    }))
    expect(await applyOutcomes(tables.db, "worker 1", late)).toEqual(new Set())
    await renewClaims(tables.db, [old[0]?.claim ?? ""])
    await releaseClaims(tables.db, old.slice(0, 1))
    expect((await tables.payment(taken[0]?.id ?? "")).claim).toBe(taken[0]?.claim)
  })

  it("are left to a workflow that is run by hand, until its claim has run out", async () => {
    const byHand = await claimByHand(tables.db, ["pi_1"])
    expect(byHand).toMatchObject([{ id: "pi_1", status: "pending", claimed_by: BY_HAND }])
    expect(await decide()).toEqual([])
    await expireClaims()
    expect(ids(await decide())).toEqual(["pi_1"])
  })

  it("that a worker holds are left out of a workflow that is run by hand, and those at rest", async () => {
    await tables.insert("pi_1")
    await tables.insert("pi_2", { status: "completed" })
    await decide()
    expect(await claimByHand(tables.db, ["pi_1", "pi_2"])).toEqual([])
  })

  it("let one that Stripe is asked about keep its place for two seconds", async () => {
    await tables.insert("pi_1")
    await tables.insert("pi_2", { status: "lookup" })
    await tables.insert("pi_3")
    expect(ids(await decide())).toEqual(["pi_1"])
    await tables.rows(
      "UPDATE stripe_payment SET status_since = clock_timestamp() - interval '1.9 s' WHERE id = 'pi_2'",
    )
    expect(await decide()).toEqual([])
    await tables.rows(
      "UPDATE stripe_payment SET status_since = clock_timestamp() - interval '2 s' WHERE id = 'pi_2'",
    )
    expect(ids(await decide())).toEqual(["pi_3"])
  })

  it("that Stripe was asked about are before those that came later", async () => {
    await tables.insert("pi_1", { status: "lookup" })
    await tables.insert("pi_2")
    await tables.rows(
      "UPDATE stripe_payment SET status = 'pending', due_at = clock_timestamp() WHERE id = 'pi_1'",
    )
    expect(ids(await decide(1))).toEqual(["pi_1"])
  })
})

describe("payments to carry out", () => {
  it.each<[Lane, string]>([
    ["announce", "'ordered', now()"],
    ["stripe", "(ARRAY['lookup', 'refunding', 'ordered', 'awaiting_capture'])[1 + n % 4], NULL"],
  ])(
    "(%s) are each claimed once by eight workers at a time, which get no more than they ask for",
    async (lane, columns) => {
      const due = await insertMany(400, columns)
      const batches = await claimAll(
        (claimer) => carryOut(lane, { limit: 7, worker: `worker ${claimer}` }),
        7,
      )
      expect(ids(batches.flat()).sort()).toEqual([...due].sort())
      expect(new Set(batches.map(([first]) => first?.claim)).size).toBe(batches.length)
    },
  )

  it("are those that have been due for longest, whatever their state", async () => {
    const states = ["lookup", "refunding", "ordered", "awaiting_capture", "awaiting_payment"]
    for (const [i, status] of states.entries()) {
      await tables.insert(`pi_${status}`, { status, due_at: past(1_000 + ((i * 3) % 5) * 1_000) })
    }
    const longest = await tables.rows<{ id: string }>("SELECT id FROM stripe_payment ORDER BY due_at LIMIT 3")
    expect(ids(await carryOut("stripe", { limit: 3 })).sort()).toEqual(ids(longest).sort())
  })

  it("are announced without Stripe where they are captured, or where the shop captures", async () => {
    await tables.insert("pi_captured", { status: "ordered", captured_at: past(0) })
    await tables.insert("pi_authorized", { status: "ordered" })
    await tables.insert("pi_sold_out", { status: "refunding" })
    const both = async (capturesAfterStock: boolean) => {
      const lanes = [
        ids(await carryOut("announce", { capturesAfterStock })),
        ids(await carryOut("stripe", { capturesAfterStock })),
      ]
      await expireClaims()
      return lanes.map((some) => some.sort())
    }
    expect(await both(true)).toEqual([["pi_captured"], ["pi_authorized", "pi_sold_out"]])
    expect(await both(false)).toEqual([["pi_authorized", "pi_captured"], ["pi_sold_out"]])
  })

  it("are left to the worker that has them, and taken over when it is dead", async () => {
    await tables.insert("pi_1", { status: "refunding" })
    const [claimed] = await carryOut("stripe", { worker: "worker 1" })
    expect(await carryOut("stripe", { worker: "worker 2" })).toEqual([])
    await expireClaims()
    await renewClaims(tables.db, [claimed?.claim ?? ""])
    expect(await carryOut("stripe", { worker: "worker 2" })).toEqual([])
    await expireClaims()
    const [taken] = await carryOut("stripe", { worker: "worker 2" })
    expect(taken?.id).toBe("pi_1")
    await renewClaims(tables.db, [claimed?.claim ?? ""])
    await expireClaims()
    expect((await tables.payment("pi_1")).claim).toBe(taken?.claim)
  })

  it("are due at once again when their claims are given back", async () => {
    await tables.insert("pi_1", { status: "refunding" })
    const [claimed] = await carryOut("stripe")
    await releaseClaims(tables.db, claimed ? [claimed] : [])
    expect(ids(await carryOut("stripe", { worker: "worker 2" }))).toEqual(["pi_1"])
  })
})

describe("a payment that is not final is due", () => {
  const claimable = async (capturesAfterStock: boolean) => {
    const claimed = [
      ...(await decide()),
      ...(await carryOut("announce", { capturesAfterStock })),
      ...(await carryOut("stripe", { capturesAfterStock })),
    ]
    return claimed.map(({ status }) => status)
  }

  it.each([true, false])(
    "in each state that a worker acts on, once (capture after stock: %s)",
    async (capture) => {
      for (const status of PAYMENT_STATES) {
        await tables.insert(`pi_${status}`, { status, due_at: past(1) })
      }
      const acted = [...statesOf("decide"), ...statesOf("carry out")]
      // One that Stripe is asked about would keep the others back.
      await tables.rows("UPDATE stripe_payment SET status_since = now() - interval '1 hour'")
      expect((await claimable(capture)).sort()).toEqual([...acted].sort())
    },
  )

  it("when its row was made by hand, with its id alone", async () => {
    await tables.rows("INSERT INTO stripe_payment (id) VALUES ('pi_1')")
    expect(await decide()).toMatchObject([{ id: "pi_1", status: "pending", revision: 0, attempts: 0 }])
  })

  it.each<PaymentState>(["pending", "refunding", "ordered"])(
    "when its row was set to %s by hand",
    async (status) => {
      await tables.insert("pi_1", { status: "completed" })
      await tables.rows("UPDATE stripe_payment SET status = ? WHERE id = 'pi_1'", [status])
      expect(await claimable(true)).toEqual([status])
    },
  )
})

describe("the lease to decide", () => {
  const workers = Array.from({ length: 10 }, (_, i) => `worker ${i}`)
  const take = (worker: string) => takeLease(tables.db, "decide", worker)
  const expire = () => tables.rows("UPDATE stripe_lease SET expires_at = now() - interval '1 ms'")

  it("has one holder, however many ask for it at the same moment", async () => {
    const holders = async () => (await Promise.all(workers.map(take))).filter(Boolean).length
    expect(await holders()).toBe(1)
    expect(await holders()).toBe(1)
    await expire()
    expect(await holders()).toBe(1)
  })

  it("is renewed by its holder, and another's when it has run out", async () => {
    expect([await take("worker 1"), await take("worker 2"), await take("worker 1")]).toEqual([
      true,
      false,
      true,
    ])
    await expire()
    expect([await take("worker 2"), await take("worker 1")]).toEqual([true, false])
  })

  it("lasts for five seconds from each renewal", async () => {
    await take("worker 1")
    const [lease] = await tables.rows<{ seconds: string }>(
      "SELECT extract(epoch FROM expires_at - clock_timestamp()) AS seconds FROM stripe_lease",
    )
    expect(Number(lease?.seconds)).toBeGreaterThan(4)
    expect(Number(lease?.seconds)).toBeLessThanOrEqual(5)
  })

  it("is free at once when its holder gives it back, which gives back no other's", async () => {
    await take("worker 1")
    await releaseLeases(tables.db, "worker 2")
    expect(await take("worker 3")).toBe(false)
    await releaseLeases(tables.db, "worker 1")
    expect(await take("worker 3")).toBe(true)
  })

  it("counts the workers that live, each once", async () => {
    expect(await countWorkers(tables.db)).toBe(1)
    await take("worker 1")
    for (const worker of ["worker 1", "worker 2", "worker 3"]) {
      await takeLease(tables.db, `worker:${worker}`, worker)
    }
    expect(await countWorkers(tables.db)).toBe(3)
    await tables.rows("UPDATE stripe_lease SET expires_at = now() WHERE holder = 'worker 3'")
    expect(await countWorkers(tables.db)).toBe(2)
  })
})
