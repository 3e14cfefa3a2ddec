import { getEventListeners } from "node:events"
import { afterEach, describe, expect, it } from "vitest"
import { LockArgumentError, LockError, Locks, LockTimeoutError } from "../src/index.js"
import { memoryStore } from "../src/memory.js"
import { asyncStore } from "./async-memory.js"

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

describe("a signal", () => {
  for (const signal of [new AbortController(), "stop", 7, true, {}, { aborted: false }, null]) {
    it(`can't be ${Object.prototype.toString.call(signal)} ${JSON.stringify(signal)}`, async () => {
      const lease = await locks.acquire("key")
      const bad = { signal: signal as AbortSignal }
      await refused(() => locks.acquire("key", bad))
      await refused(() => locks.tryAcquire("key", bad))
      await refused(() => locks.run("key", () => undefined, bad))
      await refused(() => locks.acquireById("id", "key", bad))
      expect((await locks.inspect())[0]?.waiters).toEqual([])
      await lease.release()
    })
  }

  it("may stop many waits, with one listener that goes with the last of them", async () => {
    const warnings: Error[] = []
    const onWarning = (warning: Error) => warnings.push(warning)
    process.on("warning", onWarning)
    const { signal } = new AbortController()
    const stop = new AbortController()
    const lease = await locks.acquire("key")
    const waits = Array.from({ length: 20 }, () => locks.acquire("key", { signal: stop.signal }))
    const turn = locks.run("key", () => "done", { signal })
    expect(getEventListeners(stop.signal, "abort")).toHaveLength(1)
    stop.abort()
    for (const wait of waits) await expect(wait).rejects.toMatchObject({ code: "LOCK_ABORTED" })
    await lease.release()
    expect(await turn).toBe("done")
    expect(getEventListeners(signal, "abort")).toHaveLength(0)
    await new Promise((resolve) => setImmediate(resolve))
    process.off("warning", onWarning)
    expect(warnings).toEqual([])
  })

  it("that can't be listened to leaves nothing in the queue", async () => {
    const heard: string[] = []
    const own = new Locks(asyncStore(memoryStore()), { on: { failed: () => heard.push("failed") } })
    const cause = new TypeError("no listeners here")
    const signal = {
      aborted: false,
      addEventListener() {
        throw cause
      },
      removeEventListener() {},
    }
    const bad = { signal: signal as unknown as AbortSignal }
    await expect(own.acquire("key", bad)).rejects.toMatchObject({ code: "LOCK_INVALID_ARGUMENT", cause })
    await (await own.acquire("key")).release()
    expect(await own.inspect()).toEqual([])
    expect(heard).toEqual(["failed"])
    await own.close()
  })
})

describe("options", () => {
  for (const options of [null, 7, "fast", () => undefined]) {
    it(`can't be ${String(options)}`, async () => {
      const bad = options as object
      await refused(() => locks.acquire("key", bad))
      await refused(() => locks.tryAcquire("key", bad))
      await refused(() => locks.run("key", () => undefined, bad))
      await refused(() => locks.acquireById("id", "key", bad))
      expect(() => new Locks(memoryStore(), bad)).toThrow(LockArgumentError)
    })
  }

  it("take true and false for renew, and nothing else", async () => {
    for (const renew of ["no", 0, null])
      await refused(() => locks.acquire("key", { renew: renew as unknown as boolean }))
  })

  it.each([undefined, null, {}, "redis://localhost"])("need a store that is one, not %j", (store) => {
    expect(() => new Locks(store as never)).toThrow(LockArgumentError)
  })

  it.each([null, "granted", () => undefined])("need a listener that is an object, not %s", (on) => {
    expect(() => new Locks(memoryStore(), { on: on as never })).toThrow(LockArgumentError)
  })

  it("need a job that is a function, before anything is locked", async () => {
    await refused(() => locks.run("key", undefined as never))
    await refused(() => locks.run("key", Promise.resolve() as never))
  })
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

  it.each([
    [4_999.896235, "5000 ms"],
    [0.2, "0.2 ms"],
    [20, "20 ms"],
  ])("tell a timeout of %s ms with the digits that matter", (timeout, told) => {
    const error = new LockTimeoutError(["key"], timeout, undefined)
    expect(error).toMatchObject({ timeout, message: `Could not lock "key" within ${told}` })
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
