import {
  acquireLockStep as medusasAcquireLockStep,
  releaseLockStep as medusasReleaseLockStep,
} from "@medusajs/core-flows"
import { createStep, createWorkflow, StepResponse, WorkflowResponse } from "@medusajs/framework/workflows-sdk"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { inspectLocks } from "../src/inspect.js"
import { type Locking, type Medusa, startMedusa } from "./medusa.js"
import { holdfast, medusaOn, STORES } from "./stores.js"

const anna = { ownerId: "anna" }
const ben = { ownerId: "ben" }
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

let medusa: Medusa
let locking: Locking
let inside = 0
let most = 0

const criticalStep = createStep("critical", async () => {
  most = Math.max(most, ++inside)
  await pause(5)
  inside--
  return new StepResponse(true)
})

/** As Medusa's own flows are written, with Medusa's own steps. */
const medusasOwn = createWorkflow("medusas-own", (input: { key: string; timeout: number }) => {
  medusasAcquireLockStep({ key: input.key, timeout: input.timeout, ttl: 10 })
  criticalStep()
  medusasReleaseLockStep({ key: input.key })
  return new WorkflowResponse(input)
})

/** What was measured of Medusa 2.21.2's own providers and steps, each by its name. */
describe.each(STORES)("measured of Medusa, and not so here (%s)", (store) => {
  medusaOn(store, (opened) => {
    medusa = opened
    locking = opened.locking
  })

  it("locking-postgres lets all callers in who name no owner", async () => {
    const callers = Array.from({ length: 20 }, () =>
      locking.acquire("key").then(
        () => "in",
        () => "out",
      ),
    )
    expect((await Promise.all(callers)).filter((it) => it === "in")).toHaveLength(1)
  })

  it("locking-postgres never frees a lock that has expired", async () => {
    await locking.acquire("key", { ...anna, expire: 0.2 })
    await pause(250)
    await locking.acquire("key", ben)
  })

  it("locking-postgres: acquire and execute don't exclude each other", async () => {
    await locking.acquire("key", anna)
    await expect(locking.execute("key", async () => "in", { timeout: 0.1 })).rejects.toThrow("Timed-out")
    await locking.release("key", anna)
    await locking.execute("key", () =>
      expect(locking.acquire("key", ben)).rejects.toThrow("Failed to acquire"),
    )
  })

  it("locking-redis leaves half of a key set locked that it could not have", async () => {
    await locking.acquire("b", anna)
    await expect(locking.acquire(["a", "b"], ben)).rejects.toThrow("Failed to acquire")
    await expect(locking.execute(["a", "b"], async () => 1, { timeout: 0.1 })).rejects.toThrow("Timed-out")
    expect((await inspectLocks(medusa.container)).map(({ key }) => key)).toEqual(["b"])
    await locking.acquire("a", { ownerId: "cleo" })
  })

  it("locking-redis can't count fractions of a second", async () => {
    await locking.acquire("key", { ...anna, expire: 1.5 })
    const [state] = await inspectLocks(medusa.container)
    expect(state?.holders[0]?.expiresIn).toBeGreaterThan(1)
    expect(state?.holders[0]?.expiresIn).toBeLessThanOrEqual(1.5)
  })

  it("locking-redis and the steps retry, and the next is the one that retries at the right moment", async () => {
    await locking.acquire("key", anna)
    const order: number[] = []
    const waiting = Array.from({ length: 20 }, (_, i) =>
      locking.execute("key", async () => order.push(i), { timeout: 30 }),
    )
    await expect.poll(async () => (await inspectLocks(medusa.container))[0]?.waiters.length).toBe(20)
    await locking.release("key", anna)
    await Promise.all(waiting)
    expect(order).toEqual(Array.from({ length: 20 }, (_, i) => i))
  })

  it("#16285: partial key sets, keys in opposite orders (ABBA), releaseAll of one owner", async () => {
    const both = (keys: string[], owner: object) =>
      Promise.all(
        Array.from({ length: 10 }, async (_, i) => {
          const own = { ownerId: `${JSON.stringify(owner)} ${i}`, expire: 60 }
          await locking.acquire(keys, { ...own, awaitQueue: true })
          await pause(1)
          expect(await locking.release(keys, own)).toBe(true)
        }),
      )
    await Promise.all([both(["a", "b"], anna), both(["b", "a"], ben)])
    await locking.acquire("a", anna)
    await locking.acquire("b", ben)
    await locking.releaseAll(anna)
    await locking.acquire("a", { ownerId: "cleo" })
    await expect(locking.acquire("b", { ownerId: "cleo" })).rejects.toThrow("Failed to acquire")
  })

  it("a release without an owner, after the lock has lapsed, frees the lock of the next", async () => {
    await locking.acquire("key", { expire: 0.1 })
    await pause(150)
    await locking.acquire("key", { expire: 60 })
    expect(await locking.release("key")).toBe(false)
    await expect(locking.acquire("key", anna)).rejects.toThrow("Failed to acquire")
  })

  it("a compensation that comes after the release frees the lock of the next", async () => {
    const late = createWorkflow(`late-compensation-${store}`, (input: { key: string }) => {
      medusasAcquireLockStep({ key: input.key, ttl: 60 })
      medusasReleaseLockStep({ key: input.key })
      createStep("others-come", async () => {
        await locking.acquire("key", anna)
        throw new Error("too late")
      })()
      return new WorkflowResponse(input)
    })
    await expect(late(medusa.container).run({ input: { key: "key" } })).rejects.toThrow("too late")
    expect(await locking.release("key", anna)).toBe(true)
  })

  it("an empty key set locks everything, or fails", async () => {
    await locking.acquire([], anna)
    await locking.acquire([], ben)
    expect(await locking.execute([], async () => "done")).toBe("done")
  })
})

describe.each(STORES)("with `wait` Medusa's own steps wait in the queue (%s)", (store) => {
  beforeAll(async () => {
    medusa = await startMedusa(holdfast(store, { wait: 2 }))
    locking = medusa.locking
  })
  afterAll(() => medusa.stop())

  it("Medusa's acquireLockStep loses workflows that ask at the wrong moments", async () => {
    most = 0
    // One after the other these take half a second, and each that had to ask again 0.3 s more.
    const runs = Array.from({ length: 60 }, () =>
      medusasOwn(medusa.container).run({ input: { key: "key", timeout: 2 } }),
    )
    await Promise.all(runs)
    expect(most).toBe(1)
    expect(await inspectLocks(medusa.container)).toEqual([])
  })

  it("but for no longer than that, and not where the call says 0", async () => {
    await locking.acquire("key", anna)
    await expect(locking.acquire("key", { ...ben, wait: 0 })).rejects.toThrow("Failed to acquire")
    const started = performance.now()
    await expect(locking.acquire("key", ben)).rejects.toThrow("Failed to acquire")
    expect(performance.now() - started).toBeGreaterThan(1_900)
  })
})
