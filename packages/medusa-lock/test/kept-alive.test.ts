import { createStep, createWorkflow, StepResponse, WorkflowResponse } from "@medusajs/framework/workflows-sdk"
import { beforeEach, describe, expect, it } from "vitest"
import { forceReleaseLock, inspectLocks } from "../src/inspect.js"
import { acquireLockStep, releaseLockStep } from "../src/steps.js"
import type { Locking, Medusa } from "./medusa.js"
import { medusaOn, STORES } from "./stores.js"

/** The shortest that there is, in seconds: a lock is renewed each third of it. */
const keepAlive = 1

let medusa: Medusa
let locking: Locking
const stranger = { ownerId: "a stranger" }
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
const holder = async () => (await inspectLocks(medusa.container))[0]?.holders[0]

/** What a workflow does while it holds its lock; each test gives its own. */
let work: () => Promise<unknown> | unknown
beforeEach(() => {
  work = () => undefined
})

const workStep = createStep(
  "work",
  async () => new StepResponse(await work()),
  async (done) => {
    if (done === "can't be undone") throw new Error("no")
  },
)
const failStep = createStep("fail", () => Promise.reject(new Error("failed")))

interface Input {
  ttl?: number
  ownerId?: string
}

const releasing = createWorkflow("releasing", (input: Input) => {
  acquireLockStep({ key: "key", ttl: input.ttl, ownerId: input.ownerId }).config({ name: "by-another-name" })
  workStep()
  return new WorkflowResponse(releaseLockStep({ key: "key", ownerId: input.ownerId }))
})

const forgetful = createWorkflow("forgetful", (input: Input) => {
  acquireLockStep({ key: "key", ttl: input.ttl })
  workStep()
  return new WorkflowResponse(input)
})

const brokenTwice = createWorkflow("broken-twice", (input: Input) => {
  acquireLockStep({ key: "key", ttl: input.ttl })
  workStep()
  failStep()
  return new WorkflowResponse(input)
})

const stored = createWorkflow({ name: "stored", store: true }, (input: Input) => {
  acquireLockStep({ key: "key", ttl: input.ttl })
  workStep()
  return new WorkflowResponse(releaseLockStep({ key: "key" }))
})

describe.each(STORES)("the lock of a workflow (%s)", (store) => {
  medusaOn(
    store,
    (opened) => {
      medusa = opened
      locking = opened.locking
    },
    { keepAlive },
  )

  it("is kept alive while the workflow runs, beyond its ttl", async () => {
    work = async () => {
      await pause(700)
      await expect(locking.acquire("key", stranger)).rejects.toThrow("Failed to acquire")
    }
    const { result } = await releasing(medusa.container).run({ input: { ttl: 0.3 } })
    expect(result).toBe(true)
  })

  it.each([120, undefined])("outlives its process by a second, not by its ttl of %s s", async (ttl) => {
    work = holder
    const { result } = await forgetful(medusa.container).run({ input: { ttl } })
    expect(result.ttl).toBe(ttl)
    const { expiresIn } = (await holder()) ?? {}
    expect(expiresIn).toBeGreaterThan(0)
    expect(expiresIn).toBeLessThanOrEqual(keepAlive)
  })

  it("ends with the workflow, if that forgot to release it", async () => {
    await forgetful(medusa.container).run({ input: { ttl: 120 } })
    await locking.acquire("key", { ...stranger, wait: 10 })
    await pause(keepAlive * 400)
    expect(await locking.release("key", stranger)).toBe(true)
  })

  it("ends with a workflow that could not be compensated", async () => {
    work = () => "can't be undone"
    await expect(brokenTwice(medusa.container).run({ input: { ttl: 120 } })).rejects.toThrow("failed")
    await locking.acquire("key", { ...stranger, wait: 10 })
  })

  it("isn't renewed any more once it was released, or taken away", async () => {
    work = async () => {
      await forceReleaseLock(medusa.container, "key")
      await locking.acquire("key", stranger)
      await pause(keepAlive * 400)
    }
    const { result } = await releasing(medusa.container).run({ input: { ttl: 120 } })
    expect(result).toBe(false)
    expect((await holder())?.ownerId).toBe(stranger.ownerId)
  })

  it("lasts exactly its ttl where another process may go on with the workflow", async () => {
    work = async () => (await holder())?.expiresIn
    for (const ttl of [120, undefined]) {
      let expiresIn: unknown
      work = async () => {
        expiresIn = (await holder())?.expiresIn
      }
      await stored(medusa.container).run({ input: { ttl } })
      if (ttl) expect(expiresIn).toBeGreaterThan(100)
      else expect(expiresIn).toBe(null)
    }
  })

  it("lasts exactly its ttl with an ownerId, by which another workflow may release it", async () => {
    let expiresIn: unknown
    work = async () => {
      expiresIn = (await holder())?.expiresIn
    }
    await releasing(medusa.container).run({ input: { ttl: 120, ownerId: "order_1" } })
    expect(expiresIn).toBeGreaterThan(100)
  })
})
