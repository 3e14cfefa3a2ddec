import { type LocalRedis, startRedis } from "@holdfast/redis-local"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { Locks } from "../src/index.js"
import { memoryStore } from "../src/memory.js"
import { postgresStore } from "../src/postgres/index.js"
import { redisStore } from "../src/redis/index.js"
import type { Session, Store } from "../src/store.js"
import { isNightly } from "./nightly.js"
import { server } from "./postgres-server.js"

let redis: LocalRedis
const postgres = server()
beforeAll(async () => {
  redis = await startRedis()
})
afterAll(() => redis.kill())

/** The same lock space for two processes. */
const STORES: Record<string, () => Promise<() => Store>> = {
  async Redis() {
    const prefix = crypto.randomUUID()
    return () => redisStore({ url: redis.url, prefix })
  },
  async Postgres() {
    const { connectionString, schema } = await postgres.space()
    return () => postgresStore({ connectionString, schema })
  },
}

describe.each(Object.entries(STORES))("4,000 that wait for one key on %s, and give up at once", (_, open) => {
  it.each(isNightly ? ["by timing out", "by close()"] : ["by close()"])(
    "%s: a free key is granted meanwhile to another process",
    async (how) => {
      const store = await open()
      await using other = new Locks(store())
      await other.acquire("key", { ttl: 120_000 })
      const crowd = new Locks(store())
      const until = performance.now() + 10_000
      const waiting = Array.from({ length: 4_000 }, () =>
        crowd.acquire("key", { timeout: how === "by close()" ? 60_000 : until - performance.now() }),
      )
      const outcomes = Promise.allSettled(waiting)
      const waiters = async () => (await other.inspect())[0]?.waiters.length
      await expect.poll(waiters, { timeout: 9_000 }).toBe(4_000)
      const closed = how === "by close()" ? crowd.close() : undefined
      await Promise.race(waiting).catch(() => undefined)
      const free = Array.from({ length: 5 }, (_, i) => other.run(`free ${i}`, () => i))
      expect(await Promise.all(free)).toHaveLength(5)
      expect((await outcomes).filter(({ status }) => status === "rejected")).toHaveLength(4_000)
      await (closed ?? crowd.close())
      expect(await waiters()).toBe(0)
    },
  )
})

/** In memory, by a session that fails for as long as it is told to. */
function failingStore() {
  const memory = memoryStore()
  const store = { fails: true, largest: 0, connect }
  async function connect(wake: (within: number) => void): Promise<Session> {
    const session = await memory.connect(wake)
    return {
      async execute(batch) {
        store.largest = Math.max(store.largest, batch.acquire.length + batch.cancel.length)
        if (store.fails) throw new Error("down")
        return session.execute(batch)
      },
      inspect: () => session.inspect(),
      forceRelease: (key) => session.forceRelease(key),
      close: (within) => session.close(within),
    }
  }
  return store
}

describe("requests by the ten thousands", () => {
  it("150,000 fail one by one while the store fails, and the instance goes on when it is back", async () => {
    const store = failingStore()
    await using locks = new Locks(store)
    const all = Array.from({ length: 150_000 }, (_, i) => locks.acquire(`key ${i}`, { timeout: 60_000 }))
    const outcomes = await Promise.allSettled(all)
    expect(outcomes.every((it) => it.status === "rejected" && it.reason.code === "LOCK_STORE_FAILED")).toBe(
      true,
    )
    store.fails = false
    expect(await locks.run("key 1", () => "done")).toBe("done")
    expect(await locks.inspect()).toEqual([])
    expect(store.largest).toBeLessThanOrEqual(1_000)
  })

  it("60,000 that time out unsent are given up one by one, and the instance goes on", async () => {
    const store = failingStore()
    store.fails = false
    await using locks = new Locks(store)
    await (await locks.acquire("key")).release()
    const all = Array.from({ length: 60_000 }, (_, i) => locks.acquire(`key ${i}`, { timeout: 1 }))
    await Promise.allSettled(all)
    expect(await locks.run("free", () => "done", { timeout: 20_000 })).toBe("done")
  })
})
