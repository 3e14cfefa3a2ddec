import fc from "fast-check"
import { describe, it } from "vitest"
import { memoryStore } from "../src/memory.js"
import { History } from "./history.js"
import { histories } from "./steps.js"

describe("any history of requests", () => {
  it("keeps the promises, whatever is asked, released, lost, renewed, taken away, and whoever dies", async () => {
    await fc.assert(
      fc.asyncProperty(histories, async (steps) => {
        await History.play(steps, (clock) => memoryStore({ clock }))
      }),
      { numRuns: 5_000 },
    )
  })
})
