import type { Locks } from "@holdfast/lock"
import type { Opened } from "./contender.ts"

export function ours(locks: Locks, sent?: () => number): Opened {
  return {
    async pair(key) {
      const lease = await locks.acquire(key)
      await lease.release()
    },
    run: (keys, job, terms) => locks.run(keys, job, terms),
    close: () => locks.close(),
    ...(sent && { sent }),
  }
}
