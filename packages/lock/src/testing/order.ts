import assert from "node:assert/strict"
import type { Lease, Locks } from "../index.js"
import type { Case } from "./case.js"
import { isPending, stateOf, type Trial, within } from "./trial.js"

/** 3, 4 and 10: first come, first served; a release hands off and wakes; the fencing tokens grow. */
export const order: Record<string, Case> = {
  async "grants in the order of arrival, within a process and across"(trial) {
    const processes = [trial.locks(), trial.locks(), trial.locks()]
    const first = await trial.locks().acquire("key")
    const queue = await queueUp(trial, "key", 12, (i) => processes[i % 3] ?? assert.fail())
    await first.release()
    assert.deepEqual(
      await trial.soon("12 grants", queue.done),
      Array.from({ length: 12 }, (_, i) => i),
    )
  },

  async "keeps the order of 200 requests that came at once"(trial) {
    const locks = trial.locks()
    const order: number[] = []
    const jobs = Array.from({ length: 200 }, (_, i) => locks.run("key", () => void order.push(i)))
    await trial.soon("200 jobs", Promise.all(jobs))
    assert.deepEqual(
      order,
      Array.from({ length: 200 }, (_, i) => i),
    )
  },

  async "is fair across keys: who came later for one key waits for who came earlier for two"(trial) {
    const [one, two] = [trial.locks(), trial.locks()]
    const busy = await one.acquire("a")
    const both = two.acquire(["a", "b"])
    await trial.waiters("b", 1)
    const later = one.acquire("b")
    await trial.waiters("b", 2)
    assert.ok(await isPending(later))
    const apart = await trial.soon("a key that no other request wants", one.acquire("c"))
    await busy.release()
    const lease = await trial.soon("both keys", both)
    assert.ok(await isPending(later))
    await lease.release()
    await (await trial.soon("its turn", later)).release()
    await apart.release()
  },

  async "doesn't let a single try pass the requests that wait"(trial) {
    const [one, two] = [trial.locks(), trial.locks()]
    const lease = await one.acquire("key")
    const waiting = two.acquire("key")
    await trial.waiters("key", 1)
    const [released, attempt] = await Promise.all([lease.release(), one.tryAcquire("key")])
    assert.equal(released, true)
    assert.equal(attempt, null)
    await (await trial.soon("the waiting request", waiting)).release()
  },

  async "goes on to the next when the first gives up"(trial) {
    const [one, two] = [trial.locks(), trial.locks()]
    const lease = await one.acquire("key")
    const stop = new AbortController()
    const first = one.acquire("key", { signal: stop.signal })
    await trial.waiters("key", 1)
    const second = two.acquire("key")
    await trial.waiters("key", 2)
    stop.abort()
    await assert.rejects(first)
    await lease.release()
    await (await trial.soon("the second in the queue", second)).release()
  },

  async "hands off at once, to another process too"(trial) {
    const [one, two] = [trial.locks(), trial.locks()]
    for (let round = 0; round < 5; round++) {
      const lease = await one.acquire("key")
      const waiting = two.acquire("key")
      await trial.waiters("key", 1)
      await lease.release()
      // A second is much for a message, and little for a ttl of 60 s: no timer was waited for.
      await (await within(1_000, "the hand-off", waiting)).release()
    }
  },

  async "gives each grant of a key a greater token"(trial) {
    const processes = [trial.locks(), trial.locks()]
    const tokens: bigint[] = []
    const jobs = Array.from({ length: 30 }, (_, i) => {
      const keys = i % 3 === 0 ? ["key", `other ${i}`] : "key"
      return (processes[i % 2] ?? assert.fail()).run(keys, (lease) => void tokens.push(lease.token))
    })
    await trial.soon("30 jobs", Promise.all(jobs))
    assertGrowing(tokens)
  },

  async "never sets a token back, though the key was free in between"(trial) {
    const [one, two] = [trial.locks(), trial.locks()]
    const tokens: bigint[] = []
    for (const locks of [one, two, one, one, two]) {
      const lease = await locks.acquire(["key", "other"], { ttl: 30, renew: false })
      tokens.push(lease.tokenOf("key"))
      if (tokens.length % 2) await lease.release()
    }
    assertGrowing(tokens)
    assert.equal((await stateOf(one, "key"))?.waiters.length ?? 0, 0)
  },
}

function assertGrowing(tokens: readonly bigint[]): void {
  for (const [i, token] of tokens.entries())
    if (i > 0) assert.ok(token > (tokens[i - 1] ?? token), tokens.join())
}

/** Queues `count` requests one after the other; `done` gives the order in which they were granted. */
async function queueUp(trial: Trial, key: string, count: number, locks: (i: number) => Locks) {
  const granted: number[] = []
  const jobs: Promise<boolean>[] = []
  for (let i = 0; i < count; i++) {
    const enter = (lease: Lease) => {
      granted.push(i)
      return lease.release()
    }
    jobs.push(locks(i).acquire(key).then(enter))
    await trial.waiters(key, i + 1)
  }
  return { done: Promise.all(jobs).then(() => granted) }
}
