import { createRequire } from "node:module"
import { expect, it } from "vitest"

const require = createRequire(import.meta.url)
const EXPORTS = [
  "@holdfast/lock",
  "@holdfast/lock/memory",
  "@holdfast/lock/opentelemetry",
  "@holdfast/lock/postgres",
  "@holdfast/lock/redis",
  "@holdfast/lock/testing",
]

it.each(EXPORTS)("%s is the same by require and by import", async (name) => {
  const required = Object.keys(require(name))
  expect(required.sort()).toEqual(Object.keys(await import(/* @vite-ignore */ name)).sort())
  expect(required.length).toBeGreaterThan(0)
})

it("excludes between users of either form who share a store", async () => {
  const { Locks } = require("@holdfast/lock") as typeof import("@holdfast/lock")
  const imported = await import("@holdfast/lock")
  const store = (require("@holdfast/lock/memory") as typeof import("@holdfast/lock/memory")).memoryStore()
  const lease = await new Locks(store).acquire("key")
  expect(await new imported.Locks(store).tryAcquire("key")).toBe(null)
  await lease.release()
})
