import { describe, expect, it } from "vitest"
import { Locks } from "../src/index.js"
import { memoryStore } from "../src/memory.js"

describe("Locks on the memory store", () => {
  it("runs one job at a time, in the order in which they came, with growing tokens", async () => {
    const locks = new Locks(memoryStore())
    const order: number[] = []
    let inside = 0
    const tokens = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        locks.run("key", async (lease) => {
          expect(++inside).toBe(1)
          order.push(i)
          await new Promise((resolve) => setImmediate(resolve))
          inside--
          return lease.token
        }),
      ),
    )
    expect(order).toEqual(Array.from({ length: 20 }, (_, i) => i))
    expect(tokens).toEqual(tokens.toSorted((a, b) => Number(a - b)))
    expect(await locks.inspect()).toEqual([])
  })
})
