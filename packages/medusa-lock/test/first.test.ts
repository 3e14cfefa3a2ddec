import { createWorkflow, WorkflowResponse } from "@medusajs/framework/workflows-sdk"
import { afterAll, beforeAll, expect, it } from "vitest"
import { acquireLockStep, releaseLockStep } from "../src/steps.js"
import { type Medusa, startMedusa } from "./medusa.js"

let medusa: Medusa
beforeAll(async () => {
  medusa = await startMedusa([{ resolve: "@holdfast/medusa-lock/memory", id: "memory", is_default: true }])
})
afterAll(() => medusa.stop())

it("is loaded by Medusa's Locking Module", async () => {
  const { locking } = medusa
  await locking.acquire("k", { ownerId: "x" })
  await expect(locking.acquire("k", { ownerId: "y" })).rejects.toThrow('Failed to acquire lock for key "k"')
  expect(await locking.release("k", { ownerId: "y" })).toBe(false)
  expect(await locking.release("k", { ownerId: "x" })).toBe(true)
})

it("locks in a workflow", async () => {
  const wf = createWorkflow("test-lock", (input: { key: string }) => {
    const lock = acquireLockStep({ key: input.key, timeout: 1, ttl: 10 })
    const released = releaseLockStep({ key: input.key })
    return new WorkflowResponse({ lock, released })
  })
  const { result } = await wf(medusa.container).run({ input: { key: "a" } })
  console.log(result)
  const all = await Promise.all(
    Array.from({ length: 50 }, () => wf(medusa.container).run({ input: { key: "b" } })),
  )
  console.log(all.map((r) => r.result.lock?.token).join())
})
