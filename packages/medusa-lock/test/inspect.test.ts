import { describe, expect, it } from "vitest"
import { forceReleaseLock, inspectLocks } from "../src/inspect.js"
import { type Locking, type Medusa, startMedusa } from "./medusa.js"
import { holdfast, medusaOn, SHARED, STORES } from "./stores.js"

let medusa: Medusa
let locking: Locking

describe.each(STORES)("inspectLocks and forceReleaseLock (%s)", (store) => {
  medusaOn(store, (opened) => {
    medusa = opened
    locking = opened.locking
  })

  it("show who holds and who waits, as JSON in seconds", async () => {
    await locking.acquire(["a", "b"], { ownerId: "anna", expire: 60, within: "run" })
    const ben = locking.acquire("a", { ownerId: "ben", wait: 10 })
    const cleo = locking.acquire("a", { ownerId: "cleo", wait: 10 })
    await expect.poll(async () => (await inspectLocks(medusa.container))[0]?.waiters.length).toBe(2)
    const [a, b] = (await inspectLocks(medusa.container)).sort((one, other) => (one.key < other.key ? -1 : 1))
    expect(JSON.parse(JSON.stringify(a))).toEqual({
      key: "a",
      holders: [
        {
          ownerId: "anna",
          within: "run",
          keys: ["a", "b"],
          heldFor: expect.any(Number),
          expiresIn: expect.any(Number),
          token: expect.stringMatching(/^\d+$/),
        },
      ],
      waiters: [
        { ownerId: "ben", within: "ben", keys: ["a"], waitsFor: expect.any(Number) },
        { ownerId: "cleo", within: "cleo", keys: ["a"], waitsFor: expect.any(Number) },
      ],
    })
    expect(a?.holders[0]?.expiresIn).toBeGreaterThan(50)
    expect(a?.holders[0]?.expiresIn).toBeLessThanOrEqual(60)
    expect(b?.waiters).toEqual([])

    expect(await forceReleaseLock(medusa.container, "a")).toBe(true)
    await ben
    await locking.release("a", { ownerId: "ben" })
    await cleo
    expect((await inspectLocks(medusa.container))[0]?.holders[0]?.expiresIn).toBe(null)
    expect(await forceReleaseLock(medusa.container, "b")).toBe(false)
  })
})

describe.each(SHARED)("from another process (%s)", (store) => {
  it("show the same, and take a lock away from there", async () => {
    const here = holdfast(store)
    const { container, locking, stop } = await startMedusa(here, { ...here, id: "there", is_default: false })
    const lost = locking.execute("key", (signal) => {
      const aborted = new Promise((resolve) => signal?.addEventListener("abort", resolve))
      return forceReleaseLock(container, "key", { provider: "there" }).then(() => aborted)
    })
    await expect(lost).rejects.toThrow("Lost the lock")
    await locking.acquire("key", { ownerId: "anna" })
    const seen = await inspectLocks(container, { provider: "there" })
    expect(seen[0]?.holders[0]?.ownerId).toBe("anna")
    await stop()
  })
})

it("say that another provider can't tell", async () => {
  const { container, stop } = await startMedusa()
  await expect(inspectLocks(container)).rejects.toThrow("default provider is none of @holdfast/medusa-lock")
  await expect(forceReleaseLock(container, "key", { provider: "in-memory" })).rejects.toThrow('"in-memory"')
  await stop()
})
