import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { moveCursor, readCursor } from "../src/payments/cursors"
import { ALL, receiveOne, Tables } from "./tables"

let tables: Tables
beforeAll(async () => {
  tables = await Tables.open(...ALL)
})
afterAll(() => tables?.close())
beforeEach(() => tables.empty())

const CREATED = 1_800_000_000

describe("the cursor of Stripe's events", () => {
  it("begins at the present in a store without events, and stays there", async () => {
    const began = Date.now()
    const { since, position } = await readCursor(tables.db, "events")
    expect(since).toEqual(position)
    expect(Math.abs(since.getTime() - began)).toBeLessThan(60_000)
    expect(await readCursor(tables.db, "events")).toEqual({ since, position })
  })

  it("begins at the newest event of a store that had the plugin before", async () => {
    const event = {
      id: "evt_1",
      type: "t",
      api_version: null,
      livemode: true,
      created: CREATED - 9e8,
      payload: "{}",
    }
    await receiveOne(tables.db, event, null)
    await receiveOne(tables.db, { ...event, id: "evt_2", created: CREATED - 8e8 }, null)
    const newest = new Date((CREATED - 8e8) * 1000)
    expect(await readCursor(tables.db, "events")).toEqual({ since: newest, position: newest })
  })

  it("moves on and never back, each by itself", async () => {
    const { since } = await readCursor(tables.db, "events")
    const other = await readCursor(tables.db, "events:acct_1")
    const [later, latest] = [new Date(since.getTime() + 1_000), new Date(since.getTime() + 2_000)]
    await Promise.all([latest, later].map((position) => moveCursor(tables.db, "events", position)))
    expect(await readCursor(tables.db, "events")).toEqual({ since, position: latest })
    expect(await readCursor(tables.db, "events:acct_1")).toEqual(other)
  })

  it("is made once by ten processes that start at the same moment", async () => {
    const read = await Promise.all(Array.from({ length: 10 }, () => readCursor(tables.db, "events")))
    expect(new Set(read.map(({ since }) => since.getTime())).size).toBe(1)
  })
})
