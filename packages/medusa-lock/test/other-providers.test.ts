import { createWorkflow, WorkflowResponse } from "@medusajs/framework/workflows-sdk"
import { afterAll, afterEach, beforeAll, expect, it } from "vitest"
import { acquireLockStep, releaseLockStep } from "../src/steps.js"
import { type Locking, type Medusa, startMedusa } from "./medusa.js"

/** Medusa's own in-memory provider: what a shop has that uses our steps alone. */
let medusa: Medusa
let locking: Locking
beforeAll(async () => {
  medusa = await startMedusa()
  locking = medusa.locking
})
afterEach(() => locking.releaseAll())
afterAll(() => medusa.stop())

const stranger = { ownerId: "a stranger" }

const workflow = createWorkflow(
  "on-another-provider",
  (input: { key: string[]; timeout?: number; retryInterval?: number }) => {
    const lock = acquireLockStep({
      key: input.key,
      timeout: input.timeout,
      retryInterval: input.retryInterval,
      ttl: 60,
    })
    const released = releaseLockStep({ key: input.key })
    return new WorkflowResponse({ lock, released })
  },
)

it("asks again until the lock is free, and owns it", async () => {
  await locking.acquire("key", stranger)
  const run = workflow(medusa.container).run({ input: { key: ["key"], timeout: 30, retryInterval: 0.02 } })
  setTimeout(() => locking.release("key", stranger), 50)
  const { result } = await run
  expect(result.lock).toMatchObject({
    keys: ["key"],
    ownerId: expect.stringContaining("on-another-provider"),
  })
  expect(result.lock?.token).toBe(undefined)
  expect(result.released).toBe(true)
})

it("gives up at the timeout, with an error that names the keys, and leaves none of them locked", async () => {
  await locking.acquire("b", stranger)
  const run = workflow(medusa.container).run({
    input: { key: ["a", "b"], timeout: 0.1, retryInterval: 0.02 },
  })
  await expect(run).rejects.toThrow('Could not lock "a", "b" within 0.1 s')
  await locking.acquire("a", stranger)
})

it("rethrows an error that isn't about a busy key at once", async () => {
  const broken = await startMedusa()
  const failing = new RangeError("the connection is gone")
  Object.assign(broken.locking, { acquire: () => Promise.reject(failing) })
  const run = workflow(broken.container).run({ input: { key: ["key"], timeout: 30 } })
  await expect(run).rejects.toThrow("the connection is gone")
  await broken.stop()
})
