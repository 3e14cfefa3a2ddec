import { createRequire } from "node:module"
import { Locks } from "@holdfast/lock"
import { memoryStore } from "@holdfast/lock/memory"
import { Mutex as ESMutex } from "async-mutex"
import { type Contender, type Opened, TIMEOUT, TTL } from "./contender.ts"
import { ours } from "./ours.ts"

/** A mutex for each key, in one process. */
export function mutexes(Mutex: typeof ESMutex): Opened {
  const all = new Map<string, ESMutex>()
  const mutex = (key: string) => {
    const found = all.get(key) ?? new Mutex()
    all.set(key, found)
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
}

export const memoryContenders: readonly Contender[] = [
  {
    name: "async-mutex",
    store: "memory",
    baseline: true,
    open: async () => mutexes(ESMutex),
  },
  {
    // Another build of the same, of which the figures differ.
    name: "async-mutex, by require()",
    store: "memory",
    open: async () => mutexes(createRequire(import.meta.url)("async-mutex").Mutex),
  },
  {
    name: "Holdfast, memory",
    store: "memory",
    takesSeveral: true,
    open: async () => ours(new Locks(memoryStore(), { ttl: TTL, timeout: TIMEOUT })),
  },
]
