import { createStep, createWorkflow, StepResponse, WorkflowResponse } from "@medusajs/framework/workflows-sdk"
import { beforeEach, describe, expect, it } from "vitest"
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

const inner = createWorkflow("inner", (input: LockInput) => {
  const lock = acquireLockStep(input)
  workStep("inner")
  const released = releaseLockStep(input)
  return new WorkflowResponse({ lock, released })
})

const outer = createWorkflow("outer", (input: { outer: LockInput; inner: LockInput }) => {
  const lock = acquireLockStep(input.outer)
  const nested = inner.runAsStep({ input: input.inner })
  workStep("outer")
  const released = releaseLockStep(input.outer)
  return new WorkflowResponse({ lock, nested, released })
})

const middle = createWorkflow("middle", (input: LockInput) => {
  const nested = inner.runAsStep({ input }).config({ name: "renamed" })
  return new WorkflowResponse(nested)
})

const outermost = createWorkflow("outermost", (input: LockInput) => {
  acquireLockStep(input)
  const nested = middle.runAsStep({ input })
  const released = releaseLockStep(input)
  return new WorkflowResponse({ nested, released })
})

const isHeld = (key: string) =>
  locking.acquire(key, stranger).then(
    () => locking.release(key, stranger).then(() => false),
    () => true,
  )

describe.each(STORES)("a nested workflow (%s)", (store) => {
  medusaOn(store, (opened) => {
    medusa = opened
    locking = opened.locking
  })

  const nested = { key: "key", executeOnSubWorkflow: true }

  it("leaves the lock to its parent, as in Medusa", async () => {
    work = (name) =>
      name === "inner" ? isHeld("inner's own").then((held) => expect(held).toBe(false)) : undefined
    const input = { outer: { key: "key" }, inner: { key: "inner's own" } }
    const { result } = await outer(medusa.container).run({ input })
    expect(result.nested).toMatchObject({})
    expect(result.released).toBe(true)
  })

  it("re-enters its parent's lock, and leaves it to its parent when it is done", async () => {
    const held: Record<string, boolean> = {}
    work = async (name) => {
      held[name] = await isHeld("key")
    }
    const { result } = await outer(medusa.container).run({ input: { outer: { key: "key" }, inner: nested } })
    expect(held).toEqual({ inner: true, outer: true })
    expect(result.nested).toMatchObject({ released: true, lock: { token: result.lock?.token } })
    expect([result.released, await isHeld("key")]).toEqual([true, false])
  })

  it("re-enters at any depth, and under a step that was renamed", async () => {
    const { result } = await outermost(medusa.container).run({ input: nested })
    expect(result.nested.lock?.keys).toEqual(["key"])
    expect([result.released, await isHeld("key")]).toEqual([true, false])
  })

  it("adds keys of its own, which are free when it is done", async () => {
    work = async (name) => {
      expect(await isHeld("own")).toBe(name === "inner")
      expect(await isHeld("key")).toBe(true)
    }
    const input = { outer: { key: "key" }, inner: { ...nested, key: ["own", "key"] } }
    const { result } = await outer(medusa.container).run({ input })
    expect(result.released).toBe(true)
  })

  it("is undone when its parent fails, without a trace", async () => {
    work = (name) => (name === "outer" ? Promise.reject(new Error("no")) : undefined)
    const run = outer(medusa.container).run({ input: { outer: { key: "key" }, inner: nested } })
    await expect(run).rejects.toThrow("no")
    expect(await isHeld("key")).toBe(false)
  })

  it("waits for a stranger's lock as any other does", async () => {
    await locking.acquire("own", stranger)
    const input = { outer: { key: "key" }, inner: { ...nested, key: "own", timeout: 0.05 } }
    await expect(outer(medusa.container).run({ input })).rejects.toThrow('Could not lock "own" within 0.05 s')
    expect(await isHeld("key")).toBe(false)
  })

  it("lets the work in a step run inside the lock of its workflow", async () => {
    const within = createStep("within", async (lock: { within?: string } | undefined) => {
      return new StepResponse(
        await locking.execute("key", async () => "inside", { within: lock?.within, timeout: 1 }),
      )
    })
    const workflow = createWorkflow("runs-inside", (input: LockInput) => {
      const lock = acquireLockStep(input)
      const result = within(lock)
      releaseLockStep(input)
      return new WorkflowResponse(result)
    })
    expect((await workflow(medusa.container).run({ input: { key: "key" } })).result).toBe("inside")
  })
})
