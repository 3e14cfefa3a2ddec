import type { Store } from "../src/store.js"

/** Each call and each message takes a turn of the event loop, and each answer another one. */
export function asyncStore(store: Store): Store {
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
