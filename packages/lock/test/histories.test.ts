import fc from "fast-check"
import { describe, it } from "vitest"
import { memoryStore } from "../src/memory.js"
import { histories } from "./generators.js"
import { History } from "./history.js"
import { wipeableMemory } from "./wipeable-memory.js"

const WAYS = {
  "that is never wiped": (clock: () => number) => memoryStore({ clock }),
  "that may be wiped": wipeableMemory,
}

describe.each(Object.entries(WAYS))("any history of requests, in memory %s", (_, open) => {
  it("keeps the promises, whatever is requested, released, lost, renewed or taken away, and whichever session dies", async () => {
    await fc.assert(
      fc.asyncProperty(histories, async (steps) => {
        await History.play(steps, open)
      }),
      { numRuns: 5_000 },
    )
  })
})
