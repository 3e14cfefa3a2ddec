import { describe, expect, it } from "vitest"
import { memoryStore } from "../src/memory.js"
import type { Batch, BatchResult } from "../src/store.js"
import { exerciseStore } from "../src/testing/index.js"

describe("memoryStore", () => {
  exerciseStore({
    describe,
    it,
    open() {
      const store = memoryStore()
      return { store: () => store }
    },
  })

  it("tells what it dropped once, though an earlier answer is still on its way", () => {
    let now = 0
    const store = memoryStore({ clock: () => now })
    const session = () => {
      const it = store.connect(() => undefined) as { execute(batch: Batch): BatchResult }
      return (part: Partial<Batch>) =>
        it.execute({ renew: [], release: [], cancel: [], acquire: [], ...part })
    }
    const [one, two] = [session(), session()]
    const request = (id: string) => ({ seq: 1, id, owner: id, keys: ["key"], ttl: 60_000, wait: true })
    one({ acquire: [request("one")] })
    const early = two({ acquire: [request("two")] })
    one({ release: [{ id: "one", keys: ["key"] }] })
    now += 2_000
    one({})
    expect(early.dropped).toEqual([])
    expect(two({}).dropped).toEqual([1])
  })
})
