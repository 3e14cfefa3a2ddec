import { describe, it } from "vitest"
import { memoryStore } from "../src/memory.js"
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
})
