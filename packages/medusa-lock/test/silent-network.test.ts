import { afterEach, expect, inject, it, vi } from "vitest"
import { LossyProxy } from "../../lock/test/proxy.js"
import { startMedusa } from "./medusa.js"
import { holdfast, SHARED } from "./stores.js"

afterEach(() => {
  vi.useRealTimers()
})

it.each(SHARED)(
  "a shop on %s locks after a quiet night in which the network has forgotten its connections",
  async (store) => {
    const address = new URL(inject(store === "redis" ? "lockRedisUrl" : "lockPostgresUrl"))
    await using proxy = await LossyProxy.open(Number(address.port))
    address.port = String(proxy.port)
    const place = store === "redis" ? { redisUrl: String(address) } : { databaseUrl: String(address) }
    const config = holdfast(store)
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"], shouldAdvanceTime: true })
    const { locking, stop } = await startMedusa({ ...config, options: { ...config.options, ...place } })
    expect(await locking.execute("key", async () => "evening")).toBe("evening")
    proxy.forget()
    await vi.advanceTimersByTimeAsync(8 * 3_600_000)
    await locking.acquire("key", { ownerId: "anna" })
    expect(await locking.release("key", { ownerId: "anna" })).toBe(true)
    expect(await locking.execute("key", async () => "morning")).toBe("morning")
    await stop()
  },
)
