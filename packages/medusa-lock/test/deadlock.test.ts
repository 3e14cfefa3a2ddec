import { MedusaError } from "@medusajs/framework/utils"
import { describe, expect, it } from "vitest"
import type { Locking } from "./medusa.js"
import { medusaOn, STORES } from "./stores.js"

let locking: Locking

describe.each(STORES)("execute in a job of execute, where nesting is tracked (%s)", (store) => {
  medusaOn(
    store,
    (opened) => {
      locking = opened.locking
    },
    { trackNesting: true },
  )

  it("fails at once for a key that the job holds, and says so", async () => {
    const nested = locking.execute("cart", () => locking.execute(["item", "cart"], async () => 1))
    const error = await nested.catch((reason) => reason)
    expect(error).toBeInstanceOf(MedusaError)
    expect(error).toMatchObject({ type: MedusaError.Types.CONFLICT, cause: { code: "LOCK_DEADLOCK" } })
    expect(error.message).toMatch(/this caller waits for "cart", which it holds/)
  })

  it("runs where the key is free, or held by what the job may run in", async () => {
    const inner = () => locking.execute("cart", async () => 1, { within: "one workflow" })
    expect(
      await locking.execute("cart", () => locking.execute("item", inner), { within: "one workflow" }),
    ).toBe(1)
  })
})
