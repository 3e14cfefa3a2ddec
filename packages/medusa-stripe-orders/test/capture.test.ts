import { describe, expect, it } from "vitest"
import { nextLook } from "../src/carry-out/authorization"

const HOUR = 3_600_000
const DAY = 24 * HOUR

describe("an authorization that the shop is to capture", () => {
  it.each([
    ["7 days before its end", 7 * DAY, { due_in_ms: 6 * DAY, isEnding: false }],
    ["a little more than a day before", DAY + 1, { due_in_ms: HOUR, isEnding: false }],
    ["a day before", DAY, { due_in_ms: DAY, isEnding: true }],
    ["minutes before", HOUR / 6, { due_in_ms: HOUR, isEnding: true }],
    ["after it", -DAY, { due_in_ms: HOUR, isEnding: true }],
  ])("is looked at again, and told of in its last day: %s", (_, left, look) => {
    expect(nextLook(10 * DAY + left, 10 * DAY)).toEqual(look)
  })
})
