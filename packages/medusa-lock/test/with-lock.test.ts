import { createStep, createWorkflow, StepResponse, WorkflowResponse } from "@medusajs/framework/workflows-sdk"
import { afterEach, describe, expect, it } from "vitest"
import { forceReleaseLock, inspectLocks } from "../src/inspect.js"
import { withLock } from "../src/steps.js"
import { type Locking, type Medusa, startMedusa } from "./medusa.js"
import { medusaOn, STORES } from "./stores.js"

let medusa: Medusa
let locking: Locking

/** What a step finds locked, by the names of the steps. */
const found: Record<string, string[]> = {}
let work: (name: string) => Promise<unknown> | unknown = () => undefined
const lookStep = createStep("look", async (name: string) => {
  found[name] = (await inspectLocks(medusa.container)).map(({ key }) => key).sort()
  return new StepResponse(await work(name))
})
const look = (name: string) => lookStep(name).config({ name })

const twice = createWorkflow("twice", (input: { first: string; second: string }) => {
  const token = withLock({ key: input.first, timeout: 5 }, (lock) => {
    look("in-first")
    return lock.token
  })
  look("between")
  withLock({ key: input.second }, () => look("in-second"))
  look("after")
  return new WorkflowResponse(token)
})

const nested = createWorkflow("one-in-the-other", (input: { outer: string; inner: string[] }) => {
  withLock({ key: input.outer, timeout: 5 }, () => {
    withLock({ key: input.inner, timeout: 5 }, () => look("in-both"))
    look("in-outer")
  })
  look("outside")
  return new WorkflowResponse(input)
})

const sub = createWorkflow("sub", (input: { key: string }) => {
  withLock({ key: input.key, timeout: 5, executeOnSubWorkflow: true }, () => look("in-sub"))
  look("after-sub")
  return new WorkflowResponse(input)
})

const around = createWorkflow("around", (input: { key: string }) => {
  withLock({ key: input.key }, () => sub.runAsStep({ input }))
  look("after-around")
  return new WorkflowResponse(input)
})

describe.each(STORES)("withLock (%s)", (store) => {
  medusaOn(store, (opened) => {
    medusa = opened
    locking = opened.locking
  })
  afterEach(() => {
    work = () => undefined
  })

  it("holds the lock for its part of the workflow, and again for another", async () => {
    const { result } = await twice(medusa.container).run({ input: { first: "a", second: "b" } })
    expect(found).toMatchObject({ "in-first": ["a"], between: [], "in-second": ["b"], after: [] })
    expect(result).toMatch(/^\d+$/)
  })

  it("may stand in another, which keeps what it holds", async () => {
    await nested(medusa.container).run({ input: { outer: "a", inner: ["a", "b"] } })
    expect(found).toMatchObject({ "in-both": ["a", "b"], "in-outer": ["a"], outside: [] })
  })

  it("re-enters in a nested workflow", async () => {
    await around(medusa.container).run({ input: { key: "a" } })
    expect(found).toMatchObject({ "in-sub": ["a"], "after-sub": ["a"], "after-around": [] })
  })

  it("frees the lock when a step in it fails", async () => {
    work = (name) => (name === "in-first" ? Promise.reject(new Error("no")) : undefined)
    const run = twice(medusa.container).run({ input: { first: "a", second: "b" } })
    await expect(run).rejects.toThrow("no")
    expect(await inspectLocks(medusa.container)).toEqual([])
  })

  it("fails the workflow whose lock was lost, for it did not run alone", async () => {
    work = (name) => (name === "in-first" ? forceReleaseLock(medusa.container, "a") : undefined)
    const run = twice(medusa.container).run({ input: { first: "a", second: "b" } })
    await expect(run).rejects.toThrow('Lost the lock on "a" before the work was done')
  })
})

it("works on Medusa's own providers too", async () => {
  medusa = await startMedusa()
  locking = medusa.locking
  const held: unknown[] = []
  const onMedusas = createWorkflow("on-medusas-provider", (input: { key: string }) => {
    withLock({ key: input.key }, () => tryStep())
    return new WorkflowResponse(input)
  })
  await onMedusas(medusa.container).run({ input: { key: "a" } })
  await locking.acquire("a", { ownerId: "a stranger" })
  expect(held).toEqual(['Failed to acquire lock for key "a"'])
  await medusa.stop()

  function tryStep() {
    return createStep("try", async () => {
      await locking.acquire("a", { ownerId: "a stranger" }).catch(({ message }) => held.push(message))
      return new StepResponse(true)
    })()
  }
})
