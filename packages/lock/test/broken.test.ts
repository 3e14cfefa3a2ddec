import assert from "node:assert/strict"
import { describe, expect, it } from "vitest"
import { memoryStore } from "../src/memory.js"
import type { Batch, BatchResult, Session, Store } from "../src/store.js"
import { exerciseStore } from "../src/testing/index.js"

type Execute = (batch: Batch) => BatchResult

/** The memory store with `execute` in other hands: a way to break one rule at a time. */
function broken(bend: (execute: Execute, space: Map<string, unknown>) => Execute): Store {
  const store = memoryStore()
  const space = new Map<string, unknown>()
  return {
    connect(wake) {
      const session = store.connect(wake) as Session
      const execute = bend((batch) => session.execute(batch) as BatchResult, space)
      return {
        execute,
        inspect: () => session.inspect(),
        forceRelease: (key) => session.forceRelease(key),
        close: () => session.close(),
      }
    },
  }
}

const each = <T>(list: readonly T[], change: (item: T) => T): T[] => list.map(change)

/** A store broken on purpose, with a case that has to notice. */
const BROKEN: Record<string, { store: () => Store; noticedBy: string }> = {
  "grants every request": {
    store: () =>
      broken((execute) => (batch) => {
        let token = 0
        const result = execute({ ...batch, acquire: [] })
        return { ...result, granted: batch.acquire.map(({ seq }) => ({ seq, token: ++token })) }
      }),
    noticedBy: "lets one in at a time, within a process and across",
  },
  "takes callers without an owner for one owner": {
    store: () =>
      broken(
        (execute) => (batch) =>
          execute({
            ...batch,
            acquire: each(batch.acquire, (it) =>
              it.owner === it.id ? { ...it, owner: "the same owner" } : it,
            ),
          }),
      ),
    noticedBy: "excludes callers that name no owner",
  },
  "locks the first key only": {
    store: () =>
      broken(
        (execute) => (batch) =>
          execute({
            ...batch,
            acquire: each(batch.acquire, (it) => ({ ...it, keys: it.keys.slice(0, 1) })),
          }),
      ),
    noticedBy: "can't deadlock, in whatever order the keys are given",
  },
  "forgets to take back what has timed out": {
    store: () => broken((execute) => (batch) => execute({ ...batch, cancel: [] })),
    noticedBy: "leaves nothing behind when it times out",
  },
  "lets those who try once jump the queue, and waits for none": {
    store: () =>
      broken((execute) => (batch) => {
        const result = execute(batch)
        const refused = new Set(result.refused.map(({ seq }) => seq))
        const granted = [...result.granted, ...[...refused].map((seq) => ({ seq, token: 1_000_000 }))]
        return { ...result, granted, refused: [] }
      }),
    noticedBy: "doesn't let a single try pass the requests that wait",
  },
  "serves who comes last first": {
    store: () => broken((execute) => (batch) => execute({ ...batch, acquire: [...batch.acquire].reverse() })),
    noticedBy: "keeps the order of 200 requests that came at once",
  },
  "gives the same token to all": {
    store: () =>
      broken((execute) => (batch) => {
        const result = execute(batch)
        return { ...result, granted: each(result.granted, (grant) => ({ ...grant, token: 1 })) }
      }),
    noticedBy: "gives each grant of a key a greater token",
  },
  "never lets a lease end": {
    store: () =>
      broken(
        (execute) => (batch) =>
          execute({
            ...batch,
            acquire: each(batch.acquire, (it) => ({ ...it, ttl: Number.POSITIVE_INFINITY })),
          }),
      ),
    noticedBy: "frees the keys of a process that died when their ttl ends, and not before",
  },
  "ends leases early": {
    store: () =>
      broken(
        (execute) => (batch) =>
          execute({ ...batch, acquire: each(batch.acquire, (it) => ({ ...it, ttl: it.ttl / 2 })) }),
      ),
    noticedBy: "tells the holder no later than another owner can have the key",
  },
  "says that it renewed what it has lost": {
    store: () =>
      broken((execute) => (batch) => {
        const result = execute(batch)
        return { ...result, renewed: result.renewed.map(() => true) }
      }),
    noticedBy: "a late release doesn't free another owner's lease, even if its own process didn't notice",
  },
  "doesn't renew": {
    store: () =>
      broken((execute) => (batch) => {
        const result = execute({ ...batch, renew: [] })
        return { ...result, renewed: batch.renew.map(() => true) }
      }),
    noticedBy: "renews a lease for as long as it is held",
  },
  "releases whatever is on the key": {
    store: () =>
      broken((execute, space) => (batch) => {
        for (const { id, keys } of batch.acquire) for (const key of keys) space.set(key, id)
        const release = each(batch.release, ({ keys }) => ({ keys, id: String(space.get(keys[0] ?? "")) }))
        return execute({ ...batch, release })
      }),
    noticedBy: "a late release doesn't free another owner's lease",
  },
  "doesn't tell what was taken away": {
    store: () => broken((execute) => (batch) => ({ ...execute(batch), taken: [] })),
    noticedBy: "takes a lease away by force, tells its holder, and lets the next one in",
  },
  "forgets the requests of a silent session": {
    store: () => broken((execute) => (batch) => ({ ...execute(batch), dropped: [] })),
    noticedBy: "queues a request again whose session was silent at its turn, and is alive after all",
  },
  "doesn't say when to execute again": {
    store: () => broken((execute) => (batch) => ({ ...execute(batch), wakeIn: undefined })),
    noticedBy: "frees the keys of a process that died when their ttl ends, and not before",
  },
  "never looks for circles": {
    store: () =>
      broken(
        (execute) => (batch) =>
          execute({ ...batch, acquire: each(batch.acquire, (it) => ({ ...it, holds: undefined })) }),
      ),
    noticedBy:
      "refuses the last of two processes that lock the same keys in opposite order, and says who holds what",
  },
  "takes what an owner holds for what its request holds": {
    store: () =>
      broken((execute, space) => (batch) => {
        const acquire = each(batch.acquire, (it) => {
          const held = [...space].filter(([, owner]) => owner === it.owner)
          for (const key of it.keys) space.set(`${it.id} ${key}`, it.owner)
          const holds = held.map(([name]) => ({
            id: name.split(" ")[0] ?? "",
            key: name.split(" ")[1] ?? "",
          }))
          return { ...it, holds }
        })
        return execute({ ...batch, acquire })
      }),
    noticedBy: "takes requests of one owner for no circle, unless they say what they hold",
  },
  "refuses each request that would wait and holds a lease": {
    store: () =>
      broken((execute) => (batch) => {
        const holding = batch.acquire.filter(({ holds = [] }) => holds.length > 0).map(({ seq }) => seq)
        const acquire = each(batch.acquire, (it) => (holding.includes(it.seq) ? { ...it, wait: false } : it))
        const result = execute({ ...batch, acquire })
        const deadlocked = holding.map((seq) => ({ seq, circle: [] }))
        return { ...result, refused: result.refused.filter(({ seq }) => !holding.includes(seq)), deadlocked }
      }),
    noticedBy: "refuses none that waits for another which goes on by itself",
  },
  "doesn't let an owner in again": {
    store: () =>
      broken(
        (execute) => (batch) =>
          execute({ ...batch, acquire: each(batch.acquire, (it) => ({ ...it, owner: it.id })) }),
      ),
    noticedBy: "lets an owner in again at once, before those who wait, in another process too",
  },
}

describe("a store that is broken on purpose", () => {
  for (const [how, { store, noticedBy }] of Object.entries(BROKEN)) {
    it.concurrent(`and ${how}, fails "${noticedBy}"`, async () => {
      await expect(caseNamed(noticedBy, store)()).rejects.toThrow()
    })
  }
})

function caseNamed(name: string, open: () => Store): () => Promise<void> {
  let found: (() => Promise<void>) | undefined
  const shared = () => {
    const store = open()
    return { store: () => store }
  }
  exerciseStore({
    open: shared,
    timeoutMs: 2_000,
    describe: (_, body) => body(),
    it: (title, body) => {
      if (title === name) found = body
    },
  })
  return found ?? assert.fail(`There is no case "${name}"`)
}
