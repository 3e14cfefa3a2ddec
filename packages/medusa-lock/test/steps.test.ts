import { MedusaError } from "@medusajs/framework/utils"
import { createStep, createWorkflow, StepResponse, WorkflowResponse } from "@medusajs/framework/workflows-sdk"
import { beforeEach, describe, expect, it } from "vitest"
import { forceReleaseLock } from "../src/inspect.js"
import { acquireLockStep, releaseLockStep } from "../src/steps.js"
import type { Locking, Medusa } from "./medusa.js"
import { medusaOn, STORES } from "./stores.js"

let medusa: Medusa
let locking: Locking

const stranger = { ownerId: "a stranger" }

/** What a workflow does while it holds its lock; each test gives its own. */
let work: (name: string) => Promise<unknown> | unknown
beforeEach(() => {
  work = () => undefined
})
const workStep = createStep("work", async (name: string) => new StepResponse(await work(name)))

interface LockInput {
  key: string | string[]
  timeout?: number
  ttl?: number
  ownerId?: string
  executeOnSubWorkflow?: boolean
}

const simple = createWorkflow("simple", (input: LockInput) => {
  const lock = acquireLockStep(input)
  const result = workStep("simple")
  const released = releaseLockStep(input)
  return new WorkflowResponse({ lock, token: lock.token, result, released })
})

const failsAfterRelease = createWorkflow("fails-after-release", (input: LockInput) => {
  acquireLockStep(input)
  releaseLockStep(input)
  workStep("late")
  return new WorkflowResponse(input)
})

const isHeld = (key: string) =>
  locking.acquire(key, stranger).then(
    () => locking.release(key, stranger).then(() => false),
    () => true,
  )

describe.each(STORES)("acquireLockStep and releaseLockStep (%s)", (store) => {
  medusaOn(store, (opened) => {
    medusa = opened
    locking = opened.locking
  })

  it("hold the lock from the one to the other, and give the fencing token", async () => {
    work = () => isHeld("key")
    const { result } = await simple(medusa.container).run({ input: { key: "key", ttl: 60 } })
    expect(result).toMatchObject({ lock: { keys: ["key"], token: expect.stringMatching(/^\d+$/) } })
    expect(result.token).toBe(result.lock.token)
    expect([result.result, result.released, await isHeld("key")]).toEqual([true, true, false])
  })

  it("wait in the queue: 60 workflows on one key, first come first served, none lost", async () => {
    let inside = 0
    work = async () => {
      expect(++inside).toBe(1)
      await new Promise((resolve) => setImmediate(resolve))
      inside--
    }
    const runs = Array.from({ length: 60 }, () =>
      simple(medusa.container).run({ input: { key: "key", timeout: 30, ttl: 60 } }),
    )
    const tokens = (await Promise.all(runs)).map(({ result }) => Number(result.lock?.token))
    expect(tokens).toEqual([...tokens].sort((a, b) => a - b))
  })

  it("fail with an error of Medusa's that names the keys and the wait", async () => {
    await locking.acquire("b", stranger)
    const { errors } = await simple(medusa.container).run({
      input: { key: ["a", "b"], timeout: 0.1 },
      throwOnError: false,
    })
    expect(errors[0]?.error).toMatchObject({
      type: MedusaError.Types.CONFLICT,
      message: 'Could not lock "a", "b" within 0.1 s',
    })
    expect(await isHeld("a")).toBe(false)
  })

  it("try once without a timeout", async () => {
    await locking.acquire("key", stranger)
    await expect(simple(medusa.container).run({ input: { key: "key" } })).rejects.toThrow(
      'Could not lock "key" within 0 s',
    )
  })

  it("do nothing without keys", async () => {
    const { result } = await simple(medusa.container).run({ input: { key: [] } })
    expect([result.lock, result.token, result.released]).toEqual([{}, undefined, true])
  })

  it("refuse a timeout that is no time", async () => {
    for (const timeout of [-1, Number.NaN])
      await expect(simple(medusa.container).run({ input: { key: "key", timeout } })).rejects.toThrow(
        '"timeout" must be',
      )
  })

  it("rethrow an error of the provider's at once, rather than try until the timeout", async () => {
    const run = simple(medusa.container).run({ input: { key: "key", timeout: 30, ttl: -1 } })
    await expect(run).rejects.toThrow('"expire" must be a number of seconds')
    await expect(simple(medusa.container).run({ input: { key: "\0", timeout: 30 } })).rejects.toThrow("NUL")
  })

  it("release the lock when the workflow fails", async () => {
    work = () => Promise.reject(new Error("no"))
    await expect(simple(medusa.container).run({ input: { key: "key", ttl: 60 } })).rejects.toThrow("no")
    expect(await isHeld("key")).toBe(false)
  })

  it("don't free a stranger's lock by a late release: the lock was taken away meanwhile", async () => {
    work = async () => {
      await forceReleaseLock(medusa.container, "key")
      await locking.acquire("key", stranger)
    }
    const { result } = await simple(medusa.container).run({ input: { key: "key", ttl: 60 } })
    expect(result.released).toBe(false)
    expect(await locking.release("key", stranger)).toBe(true)
  })

  it("don't free a stranger's lock by a late compensation: the lease was released before", async () => {
    work = async () => {
      await locking.acquire("key", stranger)
      throw new Error("too late")
    }
    await expect(failsAfterRelease(medusa.container).run({ input: { key: "key" } })).rejects.toThrow(
      "too late",
    )
    expect(await locking.release("key", stranger)).toBe(true)
  })

  it("exclude two runs, and the same transaction id in another workflow", async () => {
    const transactionId = "the-same"
    work = async (name) => {
      if (name !== "simple") return
      const other = failsAfterRelease(medusa.container).run({
        input: { key: "key" },
        context: { transactionId },
      })
      await expect(other).rejects.toThrow("Could not lock")
    }
    await simple(medusa.container).run({ input: { key: "key" }, context: { transactionId } })
  })

  it("keep to Medusa's rule for an owner that is given: a workflow may release what another acquired", async () => {
    await locking.acquire("key", { ownerId: "order_1" })
    const { result } = await simple(medusa.container).run({
      input: { key: "key", ownerId: "order_1", ttl: 60 },
    })
    expect(result.released).toBe(true)
    expect(await locking.release("key", { ownerId: "order_1" })).toBe(false)
  })
})
