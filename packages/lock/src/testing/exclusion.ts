import assert from "node:assert/strict"
import type { Case } from "./case.js"
import { isPending, stateOf } from "./trial.js"

/** 1 and 2: at most one live lease holds a key; a request gets all of its keys at one instant, or none. */
export const exclusion: Record<string, Case> = {
  async "lets one in at a time, within a process and across"(trial) {
    const processes = [trial.locks(), trial.locks()]
    let inside = 0
    const jobs = Array.from({ length: 40 }, (_, i) =>
      (processes[i % 2] ?? assert.fail()).run("key", async () => {
        assert.equal(++inside, 1)
        await new Promise((resolve) => setImmediate(resolve))
        inside--
      }),
    )
    await trial.soon("40 jobs", Promise.all(jobs))
  },

  async "excludes callers that name no owner"(trial) {
    const [one, two] = [trial.locks(), trial.locks()]
    const lease = await one.acquire("key")
    assert.equal(await one.tryAcquire("key"), null)
    assert.equal(await two.tryAcquire("key"), null)
    assert.equal(await lease.release(), true)
    assert.equal(await (await trial.soon("the freed key", two.acquire("key"))).release(), true)
  },

  async "keeps keys apart that look alike"(trial) {
    const locks = trial.locks()
    const keys = [
      "k",
      "K",
      "k ",
      "k*",
      "{k}",
      "k:k",
      "k\n",
      "é",
      "e\u0301",
      "🔑",
      "%",
      "'",
      '"',
      "\\",
      "null",
      "k".repeat(1_024),
    ]
    const leases = await Promise.all(keys.map((key) => locks.tryAcquire(key)))
    assert.ok(leases.every((lease) => lease !== null))
    const seen = (await locks.inspect()).map(({ key }) => key)
    assert.deepEqual(seen, keys.sort())
    for (const lease of leases) assert.equal(await lease?.release(), true)
  },

  async "holds none of the keys while it waits for another"(trial) {
    const [one, two] = [trial.locks(), trial.locks()]
    const busy = await one.acquire("b")
    const both = two.acquire(["a", "b"])
    await trial.waiters("b", 1)
    assert.deepEqual((await stateOf(one, "a"))?.holders, [])
    assert.equal(await busy.release(), true)
    const lease = await trial.soon("both keys", both)
    assert.equal(await one.tryAcquire("a"), null)
    assert.equal(await one.tryAcquire("b"), null)
    await lease.release()
  },

  async "leaves nothing behind when it times out"(trial) {
    const [one, two] = [trial.locks(), trial.locks()]
    const busy = await one.acquire("b")
    // Long enough to be seen in the queue, on a machine that is busy too.
    const both = two.acquire(["a", "b"], { timeout: 1_500 })
    await trial.waiters("b", 1)
    const behind = one.acquire("a")
    assert.ok(await isPending(behind, 0))
    await trial.rejects(both, "LOCK_TIMEOUT")
    const lease = await trial.soon("the key that no lease holds", behind)
    assert.deepEqual((await stateOf(one, "b"))?.waiters, [])
    await Promise.all([busy.release(), lease.release()])
  },

  async "leaves nothing behind when it tries in vain"(trial) {
    const [one, two] = [trial.locks(), trial.locks()]
    const busy = await one.acquire("b")
    assert.equal(await two.tryAcquire(["a", "b", "c"]), null)
    assert.deepEqual(
      (await one.inspect()).map(({ key }) => key),
      ["b"],
    )
    await busy.release()
  },

  async "doesn't mind the order of the keys, nor duplicates"(trial) {
    const [one, two] = [trial.locks(), trial.locks()]
    const lease = await one.acquire(["b", "a", "b"])
    assert.deepEqual([...lease.keys].sort(), ["a", "b"])
    const next = two.acquire(["a", "b"])
    await trial.waiters("a", 1)
    assert.equal(await lease.release(), true)
    assert.equal(await (await trial.soon("both keys", next)).release(), true)
  },

  async "can't deadlock, in whatever order the keys are given"(trial) {
    const processes = [trial.locks(), trial.locks()]
    const keys = ["a", "b", "c", "d", "e"]
    const held = new Set<string>()
    const jobs = Array.from({ length: 60 }, (_, i) => {
      const wanted = [0, 1, 2].map((j) => keys[(i * 7 + j * (1 + (i % 3))) % keys.length] ?? "a")
      return (processes[i % 2] ?? assert.fail()).run(wanted, async (lease) => {
        for (const key of lease.keys) assert.ok(!held.has(key))
        for (const key of lease.keys) held.add(key)
        await new Promise((resolve) => setImmediate(resolve))
        for (const key of lease.keys) held.delete(key)
      })
    })
    await trial.soon("60 jobs", Promise.all(jobs))
  },

  async "takes 10,000 keys at once, renews, shows, hands off and frees them"(trial) {
    const [one, two] = [trial.locks(), trial.locks()]
    const keys = Array.from({ length: 10_000 }, (_, i) => `key ${i}`)
    const lease = await one.acquire(keys)
    assert.equal(await two.tryAcquire("key 9999"), null)
    const waiting = two.acquire(keys, { timeout: 60_000 })
    await trial.waiters("key 9999", 1)
    await lease.extend()
    assert.equal((await two.inspect()).length, 10_000)
    assert.equal(await lease.release(), true)
    assert.equal(await (await waiting).release(), true)
    assert.deepEqual(await two.inspect(), [])
  },
}
