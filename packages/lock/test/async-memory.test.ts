import { describe, it } from "vitest"
import { memoryStore } from "../src/memory.js"
import type { Store } from "../src/store.js"
import { exerciseStore } from "../src/testing/index.js"

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

/** Each call and each message takes a turn of the event loop, and each answer another one. */
function asyncStore(store: Store): Store {
  const travel = () => new Promise((resolve) => setImmediate(resolve))
  const call = async <T>(work: () => T | Promise<T>): Promise<T> => {
    await travel()
    const answer = await work()
    await travel()
    return answer
  }
  return {
    connect: (wake) =>
      call(async () => {
        const session = await store.connect((within) => void travel().then(() => wake(within)))
        return {
          execute: (batch) => call(() => session.execute(batch)),
          inspect: () => call(() => session.inspect()),
          forceRelease: (key) => call(() => session.forceRelease(key)),
          close: () => call(() => session.close()),
        }
      }),
  }
}
