import { createRequire } from "node:module"
import { MedusaError } from "@medusajs/framework/utils"
import { describe, expect, it } from "vitest"
import type { Locking } from "./medusa.js"
import { medusaOn, STORES } from "./stores.js"

let locking: Locking

const anna = { ownerId: "anna" }
const ben = { ownerId: "ben" }
const busy = (key: string) => `Failed to acquire lock for key "${key}"`
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

describe.each(STORES)("acquire and release, as Medusa means them (%s)", (store) => {
  medusaOn(store, (opened) => {
    locking = opened.locking
  })

  it("gives the key to one owner, and frees it for no other", async () => {
    await locking.acquire("key", anna)
    await expect(locking.acquire("key", ben)).rejects.toThrow(busy("key"))
    expect(await locking.release("key", ben)).toBe(false)
    expect(await locking.release("key", anna)).toBe(true)
    expect(await locking.release("key", anna)).toBe(false)
    await locking.acquire("key", ben)
  })

  it("lets an owner acquire again, which extends; one release ends it", async () => {
    await locking.acquire("key", { ...anna, expire: 0.15 })
    await locking.acquire("key", { ...anna, expire: 60 })
    await pause(200)
    await expect(locking.acquire("key", ben)).rejects.toThrow(busy("key"))
    expect(await locking.release("key", anna)).toBe(true)
    await locking.acquire("key", ben)
  })

  it("extends to what it is told, be it shorter", async () => {
    await locking.acquire("key", { ...anna, expire: 60 })
    await locking.acquire("key", { ...anna, expire: 0.1 })
    await pause(150)
    await locking.acquire("key", ben)
  })

  it("excludes a second caller without an owner, and owners", async () => {
    await locking.acquire("key")
    await expect(locking.acquire("key")).rejects.toThrow(busy("key"))
    await expect(locking.acquire("key", anna)).rejects.toThrow(busy("key"))
    await expect(locking.acquire("key", { ownerId: null })).rejects.toThrow(busy("key"))
    expect(await locking.release("key", anna)).toBe(false)
    expect(await locking.release("key")).toBe(true)
    expect(await locking.release("key")).toBe(false)
  })

  it("doesn't let a caller without an owner free an owner's lock", async () => {
    await locking.acquire("key", anna)
    expect(await locking.release("key")).toBe(false)
    await expect(locking.acquire("key", ben)).rejects.toThrow(busy("key"))
  })

  it("doesn't let a late release without an owner free the next one's lock", async () => {
    await locking.acquire("key", { expire: 0.1 })
    await pause(150)
    await locking.acquire("key", { expire: 60 })
    expect(await locking.release("key")).toBe(false)
    await expect(locking.acquire("key", anna)).rejects.toThrow(busy("key"))
    expect(await locking.release("key")).toBe(true)
  })

  it("counts in seconds, and fractions of them", async () => {
    await locking.acquire("key", { ...anna, expire: 0.2 })
    await pause(100)
    await expect(locking.acquire("key", ben)).rejects.toThrow(busy("key"))
    await pause(150)
    await locking.acquire("key", ben)
    expect(await locking.release("key", anna)).toBe(false)
  })

  it("never ends a lock that was given no time", async () => {
    await locking.acquire("key", anna)
    await pause(100)
    await expect(locking.acquire("key", { ...ben, wait: 0.1 })).rejects.toThrow(busy("key"))
  })

  it("takes all of several keys or none, and names the busy one", async () => {
    await locking.acquire("b", anna)
    await expect(locking.acquire(["a", "b", "c"], ben)).rejects.toThrow(busy("b"))
    await locking.acquire(["c", "a"], ben)
    expect(await locking.release(["a", "b"], ben)).toBe(false)
    await locking.acquire("a", anna)
    expect(await locking.release(["c"], ben)).toBe(true)
  })

  it("adds keys to those that the owner has", async () => {
    await locking.acquire("a", anna)
    await locking.acquire(["a", "b"], anna)
    expect(await locking.release(["b", "a"], anna)).toBe(true)
    await locking.acquire(["a", "b"], ben)
  })

  it("has nothing to do without keys", async () => {
    await locking.acquire([], anna)
    expect(await locking.release([], anna)).toBe(true)
    expect(await locking.execute([], async () => "done")).toBe("done")
  })

  it("releases all locks of one owner, or of all owners", async () => {
    await Promise.all([locking.acquire(["a", "b"], anna), locking.acquire("c", ben), locking.acquire("d")])
    await locking.releaseAll(anna)
    await locking.acquire(["a", "b"], ben)
    await expect(locking.acquire("c", anna)).rejects.toThrow(busy("c"))
    await locking.releaseAll()
    await locking.acquire(["a", "b", "c", "d"], anna)
  })

  it("refuses what is no time and no key, with an error of Medusa's", async () => {
    for (const bad of [
      locking.acquire("key", { expire: -1 }),
      locking.acquire("key", { expire: Number.NaN, wait: Number.NaN }),
      locking.acquire("key", { wait: -1 }),
      locking.acquire("", anna),
      locking.execute("", async () => undefined),
      locking.release("\0", anna),
      locking.acquire("key", { ownerId: "" }),
    ]) {
      await expect(bad).rejects.toMatchObject({
        __isMedusaError: true,
        type: MedusaError.Types.INVALID_ARGUMENT,
      })
    }
  })
})

describe.each(STORES)("acquire, beyond what Medusa asks (%s)", (store) => {
  medusaOn(store, (opened) => {
    locking = opened.locking
  })

  it("waits in the queue, first come first served, and gives the fencing token", async () => {
    const receipts = [{}, {}, {}] as { token?: string; accepted?: true }[]
    await locking.acquire("key", { ...anna, receipt: receipts[0] })
    const order: string[] = []
    const wait = (ownerId: string, receipt?: object) =>
      locking.acquire("key", { ownerId, wait: 10, receipt }).then(() => order.push(ownerId))
    const waiting = [wait("ben", receipts[1]), wait("cleo", receipts[2])]
    await locking.release("key", anna)
    await waiting[0]
    await locking.release("key", ben)
    await waiting[1]
    expect(order).toEqual(["ben", "cleo"])
    const tokens = receipts.map(({ token }) => BigInt(token ?? 0))
    expect(tokens).toEqual([...tokens].sort((a, b) => Number(a - b)))
    expect(new Set(tokens).size).toBe(3)
  })

  it("gives up when the wait is over, and leaves nothing behind", async () => {
    await locking.acquire("b", anna)
    await expect(locking.acquire(["a", "b"], { ...ben, wait: 0.05 })).rejects.toThrow(busy("a"))
    await locking.acquire("a", anna)
  })

  it("waits without an end where the call says so in the words of Medusa's Redis provider", async () => {
    await locking.acquire("key", anna)
    await locking.acquire("key", { ...anna, awaitQueue: true })
    const waiting = locking.acquire("key", { ...ben, awaitQueue: true })
    await locking.release("key", anna)
    await waiting
  })

  it("lets locks within the same name overlap, each of which is released on its own", async () => {
    await locking.acquire("key", { ...anna, within: "run" })
    await locking.acquire("key", { ...ben, within: "run" })
    expect(await locking.execute("key", async () => "inside", { within: "run", timeout: 1 })).toBe("inside")
    await expect(locking.acquire("key", { ownerId: "cleo", within: "another" })).rejects.toThrow(busy("key"))
    expect(await locking.release("key", ben)).toBe(true)
    await expect(locking.acquire("key", { ownerId: "cleo" })).rejects.toThrow(busy("key"))
    expect(await locking.release("key", anna)).toBe(true)
    await locking.acquire("key", { ownerId: "cleo" })
  })
})

describe("the package", () => {
  medusaOn("memory", (opened) => {
    locking = opened.locking
  })

  it("is loaded the same by require and by import", async () => {
    const require = createRequire(import.meta.url)
    for (const name of ["memory", "redis", "postgres", "steps", "inspect"]) {
      const path = `@holdfast/medusa-lock/${name}`
      expect(Object.keys(require(path)).sort()).toEqual(Object.keys(await import(path)).sort())
    }
    for (const store of STORES)
      expect(require(`@holdfast/medusa-lock/${store}`).default).toMatchObject({ module: "locking" })
  })

  it("stays out of the way when another provider is named", async () => {
    await locking.acquire("key", { ...anna, provider: "in-memory" })
    await locking.acquire("key", ben)
    expect(await locking.release("key", { ...anna, provider: "in-memory" })).toBe(true)
  })
})
