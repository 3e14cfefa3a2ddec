import { readFileSync } from "node:fs"
import { afterEach, describe, expect, it, vi } from "vitest"
import { Locks } from "../src/index.js"
import { everyRun } from "./nightly.js"
import { storesBehindProxy } from "./stores-behind-proxy.js"

afterEach(() => {
  vi.useRealTimers()
})

/** From now on timers and the monotonic clock can be set forward; else they go on as they are. */
function takeTheClock(): void {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"], shouldAdvanceTime: true })
}

const stores = storesBehindProxy()

/** Of our own connection, of a user's, and of many that are shared. */
const KINDS = ["Redis by url", "Redis by client", "Postgres by pool"]

describe.each(everyRun(stores, KINDS))("%s, where the network forgets the connections", (_, open) => {
  it("after a quiet minute: the next requests are granted, with all defaults", async () => {
    await using behind = await open()
    takeTheClock()
    await using locks = new Locks(behind.store)
    await (await locks.acquire("key")).release()
    behind.proxy.forget()
    await vi.advanceTimersByTimeAsync(60_000)
    const [waits, tries] = await Promise.all([locks.acquire("key"), locks.tryAcquire("other")])
    expect(tries).not.toBe(null)
    expect(await waits.release()).toBe(true)
    expect(await tries?.release()).toBe(true)
    expect(await locks.inspect()).toEqual([])
  })

  it("at once: requests are asked again on a new connection, and hold their keys once", async () => {
    await using behind = await open(1_000)
    await using locks = new Locks(behind.store)
    await (await locks.acquire("key")).release()
    behind.proxy.forget()
    const [waits, tries] = await Promise.all([locks.acquire("key"), locks.tryAcquire("other")])
    expect(tries).not.toBe(null)
    expect(await waits.release()).toBe(true)
    expect(await tries?.release()).toBe(true)
    expect(await locks.inspect()).toEqual([])
  })

  it("a request that waits after a quiet minute hears of its turn, and not only by the safety check", async () => {
    await using behind = await open()
    takeTheClock()
    await using locks = new Locks(behind.store)
    await using other = new Locks(behind.direct)
    await (await locks.acquire("key")).release()
    const held = await other.acquire("key", { ttl: 600_000 })
    behind.proxy.forget()
    await vi.advanceTimersByTimeAsync(60_000)
    const turn = locks.acquire("key", { timeout: 10_000 })
    await expect.poll(async () => (await other.inspect())[0]?.waiters.length).toBe(1)
    await held.release()
    expect(await (await turn).release()).toBe(true)
  })

  it("with the answer on its way: the request is asked again, and what it was granted first is undone", async () => {
    await using behind = await open(1_000)
    await using locks = new Locks(behind.store)
    await (await locks.acquire("key")).release()
    const connections = behind.proxy.connections
    behind.proxy.loses = (_, connection) => connection <= connections
    await (await locks.acquire("key")).release()
    expect(await locks.inspect()).toEqual([])
  })
})

/** In how many s the kernel is to check each connection to `port` that is silent. */
function keepAlives(port: number): number[] {
  const rows = readFileSync("/proc/net/tcp", "utf8").trim().split("\n").slice(1)
  const remote = `:${port.toString(16).toUpperCase().padStart(4, "0")}`
  return rows
    .map((row) => row.trim().split(/\s+/))
    .filter(([, , address, state]) => address?.endsWith(remote) && state === "01")
    .map((row) => row[5]?.split(":") ?? [])
    .map(([timer, ticks]) =>
      timer === "02" ? Number.parseInt(ticks ?? "", 16) / 100 : Number.POSITIVE_INFINITY,
    )
}

describe.runIf(process.platform === "linux").each([
  ["Redis by url", 2],
  ["Postgres by connectionString", 1],
])("%s", (name, connections) => {
  it("has each connection checked by TCP well before the nearest network forgets it", async () => {
    await using behind = await stores[name]?.()
    if (!behind) return expect.unreachable()
    await using locks = new Locks(behind.store)
    await (await locks.acquire("key")).release()
    const { port } = behind.proxy
    await expect.poll(() => keepAlives(port).filter((seconds) => seconds < 120).length).toBe(connections)
    expect(keepAlives(port)).toHaveLength(connections)
  })
})
