import { Locks } from "@holdfast/lock"
import { memoryStore } from "@holdfast/lock/memory"
import { Mutex } from "async-mutex"
import { type Contender, TIMEOUT, TTL } from "./contender.ts"
import { ours } from "./ours.ts"

export const memoryContenders: readonly Contender[] = [
  {
    ...{ name: "async-mutex", store: "memory", baseline: true, distributed: false },
    async open() {
      const mutexes = new Map<string, Mutex>()
      const mutex = (key: string) => {
        const found = mutexes.get(key) ?? new Mutex()
        mutexes.set(key, found)
        return found
      }
      return {
        async pair(key) {
          const release = await mutex(key).acquire()
          release()
        },
        run: ([key = ""], job) => mutex(key).runExclusive(job),
        close: async () => undefined,
      }
    },
  },
  {
    ...{ name: "Holdfast, memory", store: "memory", distributed: false, takesSeveral: true },
    open: async () => ours(new Locks(memoryStore(), { ttl: TTL, timeout: TIMEOUT })),
  },
]
