import { afterEach, describe, expect, it, vi } from "vitest"
import { Locks } from "../src/index.js"
import { memoryStore } from "../src/memory.js"
import type { Batch, BatchResult } from "../src/store.js"
import { exerciseStore } from "../src/testing/index.js"

afterEach(() => void vi.unstubAllGlobals())

describe("memoryStore", () => {
  exerciseStore({
    describe,
    it,
    open() {
      const store = memoryStore()
      return { store: () => store }
    },
  })

  it("tells what it dropped once, though an earlier answer is still on its way", () => {
    let now = 0
    const store = memoryStore({ clock: () => now })
    const session = () => {
      const it = store.connect(() => undefined) as { execute(batch: Batch): BatchResult }
      return (part: Partial<Batch>) =>
        it.execute({ renew: [], release: [], cancel: [], acquire: [], ...part })
    }
    const [one, two] = [session(), session()]
    const request = (id: string) => ({ seq: 1, id, owner: id, keys: ["key"], ttl: 60_000, wait: true })
    one({ acquire: [request("one")] })
    const early = two({ acquire: [request("two")] })
    one({ release: [{ id: "one", keys: ["key"] }] })
    now += 2_000
    one({})
    expect(early.dropped).toEqual([])
    expect(two({}).dropped).toEqual([1])
  })

  it("aborts the signal of a lease that turns out to be lost when it is released", async () => {
    let now = 0
    const locks = new Locks(memoryStore({ clock: () => now }))
    const lease = await locks.acquire("key", { ttl: 60_000 })
    const { signal } = lease
    now += 120_000
    expect(await lease.release()).toBe(false)
    expect(signal.aborted).toBe(true)
    expect(signal.reason).toBe(lease.loss)
    await locks.close()
  })

  it("waits where timers are numbers and signals are not Node's, as in jsdom", async () => {
    const timeout = setTimeout
    vi.stubGlobal("setTimeout", (call: () => void, ms: number) => Number(timeout(call, ms)))
    vi.stubGlobal("AbortSignal", class {})
    const locks = new Locks(memoryStore())
    const lease = await locks.acquire("key", { ttl: 300 })
    const controller = new AbortController()
    const stopped = locks.acquire("key", { signal: controller.signal })
    await expect(locks.acquire("key", { timeout: 20 })).rejects.toMatchObject({ code: "LOCK_TIMEOUT" })
    controller.abort()
    await expect(stopped).rejects.toMatchObject({ code: "LOCK_ABORTED" })
    expect(await lease.release()).toBe(true)
    await locks.close()
  })
})
