import { MedusaError } from "@medusajs/framework/utils"
import { describe, expect, it } from "vitest"
import type { Locking } from "./medusa.js"
import { medusaOn, STORES } from "./stores.js"

let locking: Locking

const anna = { ownerId: "anna" }
const busy = (key: string) => `Failed to acquire lock for key "${key}"`
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** A job that ends when it is told to. */
function job() {
  let end: () => void = () => undefined
  const ended = new Promise<void>((resolve) => (end = resolve))
  return { run: () => ended.then(() => "done"), end }
}

describe.each(STORES)("execute (%s)", (store) => {
  medusaOn(store, (opened) => {
    locking = opened.locking
  })

  it("keeps a stock from being oversold by those who look before they take", async () => {
    let stock = 5
    const buy = async () => {
      if (stock === 0) return
      await pause(2)
      stock--
    }
    await Promise.all(Array.from({ length: 12 }, () => locking.execute("item", buy)))
    expect(stock).toBe(0)
  })

  it("returns what the job returns, throws what it throws, and frees the keys", async () => {
    expect(await locking.execute("key", async () => 7)).toBe(7)
    const failure = new RangeError("the job's own")
    await expect(locking.execute(["a", "key"], () => Promise.reject(failure))).rejects.toBe(failure)
    const thrown = () => {
      throw failure
    }
    await expect(locking.execute("key", thrown)).rejects.toBe(failure)
    await locking.acquire(["a", "key"], anna)
  })

  it("excludes acquire on the same key, and is excluded by it", async () => {
    await locking.execute("key", async () => {
      await expect(locking.acquire("key", anna)).rejects.toThrow(busy("key"))
    })
    await locking.acquire("key", anna)
    await expect(locking.execute("key", async () => 1, { timeout: 0.1 })).rejects.toThrow(
      "Timed-out acquiring lock.",
    )
    const waiting = locking.execute("key", async () => "afterwards")
    await locking.release("key", anna)
    expect(await waiting).toBe("afterwards")
  })

  it("times out those who wait too long, in Medusa's words, and goes on with the others", async () => {
    const long = job()
    const ran: string[] = []
    const first = locking.execute("key", long.run, { timeout: 1 })
    const second = locking.execute("key", async () => ran.push("second"), { timeout: 0.1 })
    const third = locking.execute("key", async () => ran.push("third"), { timeout: 60 })
    await expect(second).rejects.toMatchObject({
      message: "Timed-out acquiring lock.",
      type: MedusaError.Types.CONFLICT,
      cause: { code: "LOCK_TIMEOUT" },
    })
    long.end()
    expect(await first).toBe("done")
    await third
    expect(ran).toEqual(["third"])
  })

  it("can't deadlock on keys in any order", async () => {
    const orders = [
      ["a", "b", "c"],
      ["c", "b", "a"],
      ["b", "a"],
      ["c", "a"],
    ]
    const jobs = Array.from({ length: 40 }, (_, i) => locking.execute(orders[i % 4] ?? [], () => pause(1)))
    await Promise.all(jobs)
    await locking.acquire(["a", "b", "c"], anna)
  })

  it("renews the lock while the job runs, and tells the job when it is lost all the same", async () => {
    const long = job()
    const running = locking.execute("key", long.run, { expire: 0.3 })
    await pause(500)
    await expect(locking.acquire("key", anna)).rejects.toThrow(busy("key"))
    long.end()
    expect(await running).toBe("done")

    const lost = locking.execute("key", (signal) => {
      const aborted = new Promise((resolve) => signal?.addEventListener("abort", resolve))
      return locking.releaseAll().then(() => aborted)
    })
    await expect(lost).rejects.toMatchObject({
      type: MedusaError.Types.CONFLICT,
      cause: { code: "LOCK_LOST" },
    })
  })

  it("takes what is no time for a second, as Medusa does", async () => {
    await locking.acquire("key", anna)
    const start = performance.now()
    const waiting = [0, -5, Number.NaN].map((timeout) => locking.execute("key", async () => 1, { timeout }))
    for (const each of waiting) await expect(each).rejects.toThrow("Timed-out acquiring lock.")
    expect(performance.now() - start).toBeGreaterThanOrEqual(1_000)
  })
})

describe("execute without a timeout", () => {
  medusaOn("memory", (opened) => {
    locking = opened.locking
  })

  it("goes on waiting where Medusa's providers have given up, after 5 s", async () => {
    await locking.acquire("key", anna)
    const turn = locking.execute("key", async () => "done")
    await new Promise((resolve) => setTimeout(resolve, 5_200))
    await locking.release("key", anna)
    expect(await turn).toBe("done")
  })
})
