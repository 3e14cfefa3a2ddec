import { describe, it } from "vitest"
import { memoryStore } from "../src/memory.js"
import { exerciseStore } from "../src/testing/index.js"
import { asyncStore } from "./async-memory.js"

describe("a store that answers later, as one behind a network does", () => {
  exerciseStore({
    describe,
    it,
    open() {
      const store = memoryStore()
      return { store: () => asyncStore(store) }
    },
  })
})
