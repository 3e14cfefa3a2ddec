import { afterEach, beforeEach, expect, it, vi } from "vitest"
import { Ownerless } from "../src/ownerless.js"

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["performance"] })
})
afterEach(() => {
  vi.useRealTimers()
})

it("gives the oldest first, so that a late release ends its own", () => {
  const ownerless = new Ownerless()
  ownerless.remember("key", "lapsed", 1_000)
  vi.advanceTimersByTime(30_000)
  ownerless.remember("key", "next", 1_000)
  expect([ownerless.take("key"), ownerless.take("key"), ownerless.take("key")]).toEqual([
    "lapsed",
    "next",
    undefined,
  ])
})

it("doesn't keep a release from its lock because of one that was never released", () => {
  const ownerless = new Ownerless()
  ownerless.remember("key", "never released", 5_000)
  vi.advanceTimersByTime(66_000)
  ownerless.remember("key", "next", 5_000)
  expect(ownerless.take("key")).toBe("next")
  ownerless.remember("key", "longer than a minute", 120_000)
  vi.advanceTimersByTime(200_000)
  expect(ownerless.take("key")).toBe("longer than a minute")
})
