import { setTimeout as delay } from "node:timers/promises"
import { describe, expect, it, vi } from "vitest"
import { type LockListener, Locks, type LocksOptions } from "../src/index.js"
import { memoryStore } from "../src/memory.js"
import type { Session, Store } from "../src/store.js"

const NAMES = [
  "requested",
  "granted",
  "timedOut",
  "deadlocked",
  "aborted",
  "failed",
  "renewed",
  "released",
  "lost",
] as const satisfies readonly (keyof LockListener)[]

/** Writes down each event with its name, and lets a test wait for one. */
function recorder() {
  const events: ({ event: string } & Record<string, unknown>)[] = []
  const awaited: (() => void)[] = []
  const on: LockListener = {}
  for (const name of NAMES)
    on[name] = (event: object) => {
      events.push({ event: name, ...event })
      for (const look of awaited) look()
    }
  const saw = (name: string) =>
    new Promise<void>((resolve) => {
      awaited.push(() => events.some(({ event }) => event === name) && resolve())
      awaited.at(-1)?.()
    })
  return { on, events, names: () => events.map(({ event }) => event), saw }
}

function open(options: LocksOptions & { store?: Store } = {}) {
  const heard = recorder()
  return { ...heard, locks: new Locks(options.store ?? memoryStore(), { ...options, on: heard.on }) }
}

describe("a listener hears", () => {
  it("of a lease from its request to its release, with the times, under one id", async () => {
    const { locks, events } = open()
    const first = await locks.acquire(["a", "b"], { owner: "me" })
    await delay(30)
    await first.release()
    const about = { id: first.id, owner: "me", keys: ["a", "b"] }
    const { token } = first
    expect(events).toEqual([
      { event: "requested", ...about },
      { event: "granted", ...about, token, kept: true, waited: expect.any(Number) },
      { event: "released", ...about, token, held: expect.any(Number) },
    ])
    expect(events[1]?.waited).toBeLessThan(30)
    expect(events[2]?.held).toBeGreaterThanOrEqual(29)
  })

  it("how long a request has waited", async () => {
    const { locks, events } = open()
    const first = await locks.acquire("key")
    const second = locks.acquire("key")
    await delay(30)
    await first.release()
    await (await second).release()
    const waited = events.filter(({ event }) => event === "granted").map((event) => event.waited)
    expect(waited[1]).toBeGreaterThanOrEqual(29)
  })

  it("of what was busy, whether it waited or tried once", async () => {
    const { locks, events } = open()
    const lease = await locks.acquire("key")
    await locks.acquire("key", { timeout: 20 }).catch(() => undefined)
    await locks.tryAcquire("key")
    const timedOut = events.filter(({ event }) => event === "timedOut")
    expect(timedOut).toMatchObject([
      { timeout: 20, keys: ["key"] },
      { timeout: 0, keys: ["key"] },
    ])
    expect(timedOut[0]?.waited).toBeGreaterThanOrEqual(19)
    await lease.release()
  })

  it("of a request that would have waited for itself", async () => {
    const { locks, events, names } = open()
    const lease = await locks.acquire("key")
    await locks.acquire(["key", "other"], { holding: lease }).catch(() => undefined)
    expect(names()).toEqual(["requested", "granted", "requested", "deadlocked"])
    expect(events.at(-1)).toMatchObject({
      id: events.at(-2)?.id,
      keys: ["key", "other"],
      waited: expect.any(Number),
      error: { code: "LOCK_DEADLOCK", circle: [{ waitsFor: "key", heldBy: { id: lease.id } }] },
    })
    await lease.release()
  })

  it("of a wait that the caller ended, and of one that close() ended", async () => {
    const { locks, events, names } = open()
    const lease = await locks.acquire("key")
    const stop = new AbortController()
    const waits = [locks.acquire("key", { signal: stop.signal }), locks.acquire("key")]
    const settled = Promise.allSettled(waits)
    stop.abort()
    await locks.close()
    await settled
    const aborted = events.filter(({ event }) => event === "aborted")
    expect(aborted.map(({ error }) => (error as { code: string }).code)).toEqual([
      "LOCK_ABORTED",
      "LOCK_CLOSED",
    ])
    expect(names().at(-1)).toBe("released")
    expect(await lease.release()).toBe(false)
    expect(names().filter((name) => name === "released")).toHaveLength(1)
  })

  it("of a store that could not be asked", async () => {
    const { locks, events } = open({ store: { connect: () => Promise.reject(new Error("no route")) } })
    await locks.acquire("key").catch(() => undefined)
    expect(events).toMatchObject([{ event: "requested" }, { event: "failed", keys: ["key"] }])
    expect(events[1]?.error).toMatchObject({ code: "LOCK_STORE_FAILED" })
    await locks.close()
  })

  it("of each renewal and of an extension", async () => {
    const { locks, events, saw } = open({ ttl: 60 })
    const lease = await locks.acquire("key")
    await saw("renewed")
    expect(events.at(-1)).toMatchObject({ event: "renewed", token: lease.token, ttl: 60 })
    await lease.extend(5_000)
    expect(events.at(-1)).toMatchObject({ event: "renewed", ttl: 5_000 })
    await lease.release()
  })

  it("of a lease that expired, and of one that was taken away, once each", async () => {
    const { locks, events, saw } = open()
    const short = await locks.acquire("short", { ttl: 20, renew: false })
    await saw("lost")
    expect(events.at(-1)).toMatchObject({ event: "lost", id: short.id, error: { code: "LOCK_LOST" } })
    expect(events.at(-1)?.held).toBeGreaterThanOrEqual(19)
    const taken = await locks.acquire("taken")
    await locks.forceRelease("taken")
    // Whether the message or the release comes first, the lease ends once.
    expect(await taken.release()).toBe(false)
    await delay(20)
    const ends = events.filter(({ event }) => event === "lost" || event === "released")
    expect(ends).toMatchObject([
      { event: "lost", id: short.id },
      { event: "lost", id: taken.id },
    ])
  })

  it("of a lease that is not kept here no more than its grant", async () => {
    const { locks, events, names } = open()
    await locks.acquireById("id", "key")
    await locks.releaseById("id", "key")
    expect(names()).toEqual(["requested", "granted"])
    expect(events[1]).toMatchObject({ id: "id", kept: false })
  })

  it("nothing that it has no method for", async () => {
    const granted = vi.fn()
    const locks = new Locks(memoryStore(), { on: { granted } })
    await locks.run("key", () => undefined)
    expect(granted).toHaveBeenCalledTimes(1)
  })
})

describe("a listener that throws", () => {
  it("changes nothing for the lock, and is told of once as a warning", async () => {
    const warn = vi.spyOn(process, "emitWarning").mockImplementation(() => undefined)
    const on: LockListener = {}
    for (const name of NAMES)
      on[name] = () => {
        throw new Error(`broken at ${name}`)
      }
    const locks = new Locks(memoryStore(), { on, ttl: 60 })
    const lease = await locks.acquire("key")
    const next = locks.acquire("key")
    await lease.extend(1_000)
    await expect(locks.acquire("key", { timeout: 5 })).rejects.toMatchObject({ code: "LOCK_TIMEOUT" })
    expect(await locks.tryAcquire("key")).toBe(null)
    expect(await lease.release()).toBe(true)
    await locks.forceRelease("key")
    await expect((await next).extend()).rejects.toMatchObject({ code: "LOCK_LOST" })
    expect(await locks.inspect()).toEqual([])
    await locks.close()
    expect(warn.mock.calls).toEqual([[expect.objectContaining({ message: "broken at requested" })]])
    warn.mockRestore()
  })

  it("may be asynchronous", async () => {
    const warn = vi.spyOn(process, "emitWarning").mockImplementation(() => undefined)
    const locks = new Locks(memoryStore(), { on: { granted: () => Promise.reject(new Error("later")) } })
    await locks.run("key", () => undefined)
    await new Promise((resolve) => setImmediate(resolve))
    expect(warn).toHaveBeenCalledTimes(1)
    warn.mockRestore()
  })

  it("may ask for locks itself", async () => {
    const store = memoryStore()
    const seen: string[] = []
    const locks: Locks = new Locks(store, {
      on: {
        granted({ keys }) {
          seen.push(...keys)
          if (keys[0] === "first") void locks.run("second", () => undefined)
        },
        released({ keys }) {
          if (keys[0] === "second") void locks.run("third", () => undefined)
        },
      },
    })
    const watcher = (await store.connect(() => undefined)) as Session
    await locks.run("first", () => undefined)
    await vi.waitFor(() => expect(seen).toEqual(["first", "second", "third"]))
    await vi.waitFor(async () => expect(await watcher.inspect()).toEqual([]))
  })

  it("must consist of functions", () => {
    const on = { granted: "loudly" } as unknown as LockListener
    expect(() => new Locks(memoryStore(), { on })).toThrow("on.granted must be a function")
  })
})
