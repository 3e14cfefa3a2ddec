import { afterEach, describe, expect, it } from "vitest"
import { LockArgumentError, LockError, Locks } from "../src/index.js"
import { memoryStore } from "../src/memory.js"

const locks = new Locks(memoryStore())
afterEach(async () => expect(await locks.inspect()).toEqual([]))

const refused = (attempt: () => Promise<unknown>) =>
  expect(attempt()).rejects.toThrow(expect.objectContaining({ code: "LOCK_INVALID_ARGUMENT" }))

describe("keys", () => {
  const BAD: Record<string, unknown> = {
    "an empty list": [],
    "an empty key": "",
    "an empty key among others": ["a", ""],
    "a key of 1,025 characters": "k".repeat(1_025),
    "a key with NUL": "a\0b",
    "half of a surrogate pair": "\ud83d",
    "a number": 7,
    nothing: undefined,
    null: null,
    "a list with a number": ["a", 7],
    "10,001 keys": Array.from({ length: 10_001 }, (_, i) => `${i}`),
  }
  for (const [what, keys] of Object.entries(BAD)) {
    it(`can't be ${what}`, async () => {
      const bad = keys as string
      await refused(() => locks.acquire(bad))
      await refused(() => locks.tryAcquire(bad))
      await refused(() => locks.run(bad, () => undefined))
      await refused(() => locks.acquireById("id", bad))
      await refused(() => locks.releaseById("id", bad))
      if (!Array.isArray(bad)) await refused(() => locks.forceRelease(bad))
    })
  }

  it("may be 10,000, of which duplicates don't count", async () => {
    const keys = Array.from({ length: 20_000 }, (_, i) => `${i % 10_000}`)
    const lease = await locks.acquire(keys)
    expect(lease.keys.length).toBe(10_000)
    expect(await lease.release()).toBe(true)
  })

  it("are taken as they were when they were given", async () => {
    const keys = ["a", "b"]
    const acquired = locks.acquire(keys)
    keys.push("c")
    const lease = await acquired
    expect(lease.keys).toEqual(["a", "b"])
    await lease.release()
  })
})

describe("times", () => {
  for (const ttl of [
    0,
    -1,
    Number.NaN,
    Number.NEGATIVE_INFINITY,
    4e12,
    1e17,
    Number.MAX_VALUE,
    "1000",
    null,
  ]) {
    it(`refuse a ttl of ${String(ttl)}`, async () => {
      const bad = ttl as number
      await refused(() => locks.acquire("key", { ttl: bad }))
      expect(() => new Locks(memoryStore(), { ttl: bad === null ? 0 : bad })).toThrow(LockArgumentError)
      const lease = await locks.acquire("key")
      await refused(() => lease.extend(bad))
      expect(await lease.release()).toBe(true)
    })
  }

  for (const timeout of [-1, Number.NaN, Number.NEGATIVE_INFINITY, "1000", null]) {
    it(`refuse a timeout of ${String(timeout)}`, async () => {
      await refused(() => locks.acquire("key", { timeout: timeout as number }))
    })
  }

  it("may be longer than a timer can hold", async () => {
    const lease = await locks.acquire("key", { ttl: 2 ** 40, timeout: 2 ** 40 })
    const waiting = locks.acquire("key", { timeout: Number.MAX_VALUE })
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(lease.signal.aborted).toBe(false)
    await lease.release()
    expect(await (await waiting).release()).toBe(true)
  })

  it("may be fractions: a ttl is rounded up to a whole millisecond", async () => {
    const lease = await locks.acquire("key", { ttl: 0.2, renew: false })
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(await lease.release()).toBe(false)
  })
})

describe("owners and ids", () => {
  for (const name of ["", "x".repeat(1_025), "\0", 7, null]) {
    it(`can't be ${JSON.stringify(name)?.slice(0, 20)}`, async () => {
      await refused(() => locks.acquire("key", { owner: name as string }))
      await refused(() => locks.acquireById(name as string, "key"))
    })
  }
})

describe("errors", () => {
  it("have a stable code, a name, and say what it was about", async () => {
    const lease = await locks.acquire("key")
    const error: unknown = await locks.acquire(["a", "key"], { timeout: 0 }).catch((reason) => reason)
    expect(error).toBeInstanceOf(LockError)
    expect(error).toMatchObject({
      name: "LockTimeoutError",
      code: "LOCK_TIMEOUT",
      keys: ["a", "key"],
      timeout: 0,
      busyKey: "key",
      message: 'Could not lock "a", "key" within 0 ms: "key" is busy',
    })
    expect((error as Error).stack).toContain("arguments.test")
    await lease.release()
  })

  it("carry what lay behind them", async () => {
    const broken = new Locks({ connect: () => Promise.reject(new RangeError("no route")) })
    await expect(broken.acquire("key")).rejects.toMatchObject({
      code: "LOCK_STORE_FAILED",
      message: "The lock store failed: no route",
      cause: expect.any(RangeError),
    })
    await expect(broken.inspect()).rejects.toMatchObject({ code: "LOCK_STORE_FAILED" })
    await broken.close()
  })
})
