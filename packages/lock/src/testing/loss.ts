import assert from "node:assert/strict"
import type { Case } from "./case.js"
import { block, isPending, pause, stateOf } from "./trial.js"

/** 8 and 9: a holder that has lost its lease is told in time, and can't touch its successor's. */
export const loss: Record<string, Case> = {
  async "tells the holder no later than another owner can have the key"(trial) {
    const one = trial.locks()
    const { locks, life } = trial.mortal()
    const lease = await locks.acquire("key", { ttl: 300 })
    const { signal } = lease
    life.dead = true
    const next = await trial.soon("the end of the ttl", one.acquire("key"))
    assert.equal(signal.aborted, true)
    assert.equal(signal.reason.code, "LOCK_LOST")
    await next.release()
  },

  async "doesn't call a job done that has lost its lease"(trial) {
    const one = trial.locks()
    const { locks, life } = trial.mortal()
    const job = locks.run(
      "key",
      async ({ signal }) => {
        life.dead = true
        await new Promise((resolve) => signal.addEventListener("abort", resolve))
        life.dead = false
        return "done"
      },
      { ttl: 200 },
    )
    await trial.rejects(job, "LOCK_LOST")
    assert.equal(await one.tryAcquire("other").then((lease) => lease?.release()), true)
  },

  async "tells a holder whose event loop was blocked before it reports"(trial) {
    const locks = trial.locks()
    const job = locks.run(
      "key",
      () => {
        block(250)
        return "done"
      },
      { ttl: 200 },
    )
    await trial.rejects(job, "LOCK_LOST")
    const lease = await locks.acquire("key", { ttl: 200 })
    block(250)
    assert.equal(lease.loss?.code, "LOCK_LOST")
    assert.equal(lease.signal.aborted, true)
  },

  async "passes on the error of a job, and frees the key"(trial) {
    const locks = trial.locks()
    const failing = locks.run("key", () => Promise.reject(new RangeError("the job's own")))
    await assert.rejects(trial.soon("the job's end", failing), RangeError)
    assert.deepEqual(await locks.inspect(), [])
  },

  async "ends an `await using` block with an error if its lease was lost"(trial) {
    const locks = trial.locks()
    const block = async () => {
      await using _lease = await locks.acquire("key")
      await locks.forceRelease("key")
    }
    await trial.rejects(block(), "LOCK_LOST")
  },

  async "a late release doesn't free another owner's lease"(trial) {
    const [one, two, three] = [trial.locks(), trial.locks(), trial.locks()]
    const stale = await one.acquire("key", { ttl: 100, renew: false })
    const lease = await trial.soon("the end of the ttl", two.acquire("key"))
    assert.equal(await stale.release(), false)
    assert.equal(await three.tryAcquire("key"), null)
    assert.equal(await lease.release(), true)
  },

  async "a late release doesn't free another owner's lease, even if its own process didn't notice"(trial) {
    const [one, two] = [trial.locks(), trial.locks()]
    const session = await trial.session()
    const request = { seq: 1, id: "stale", owner: "stale", keys: ["key"], ttl: 100, wait: false }
    const { granted } = await session.execute({ renew: [], release: [], cancel: [], acquire: [request] })
    const token = granted[0]?.token
    const lease = await trial.soon("the end of the ttl", two.acquire("key"))
    const exactly = { id: "stale", keys: ["key"], token }
    const result = await session.execute({
      renew: [{ ...exactly, ttl: 60_000 }],
      release: [exactly],
      cancel: [{ seq: 1, keys: ["key"] }],
      acquire: [],
    })
    assert.deepEqual([result.renewed, result.released], [[false], [false]])
    assert.equal(await one.tryAcquire("key"), null)
    assert.equal(await lease.release(), true)
  },

  async "a late extension changes nothing for the successor"(trial) {
    const [one, two] = [trial.locks(), trial.locks()]
    const stale = await one.acquire("key", { ttl: 100, renew: false })
    const lease = await trial.soon("the end of the ttl", two.acquire("key", { ttl: 1_000, renew: false }))
    await trial.rejects(stale.extend(60_000), "LOCK_LOST")
    const expiresIn = (await stateOf(one, "key"))?.holders[0]?.expiresIn ?? 0
    assert.ok(expiresIn <= 1_000, `${expiresIn}`)
    await lease.release()
  },

  async "a second release is false, and doesn't free another owner's lease"(trial) {
    const [one, two] = [trial.locks(), trial.locks()]
    const lease = await one.acquire("key")
    assert.equal(await lease.release(), true)
    const next = await two.acquire("key")
    assert.equal(await lease.release(), false)
    await trial.rejects(lease.extend(), "LOCK_LOST")
    assert.equal(await one.tryAcquire("key"), null)
    assert.equal(await next.release(), true)
  },

  async "a lease under a chosen id is extended, and released once, in any process"(trial) {
    const [one, two] = [trial.locks(), trial.locks()]
    await trial.ready(one, two)
    const token = await one.acquireById("id", ["a", "b"], { ttl: 200 })
    assert.equal(await two.acquireById("id", "a", { ttl: 60_000 }), token)
    await trial.rejects(two.acquireById("another", "a", { timeout: 0 }), "LOCK_TIMEOUT")
    assert.equal(await two.releaseById("another", "a"), false)
    const b = await trial.soon("the end of the ttl of the key that wasn't extended", two.acquire("b"))
    assert.equal(await one.tryAcquire("a"), null)
    assert.equal(await one.renewById("id", ["a", "b"], 1), false)
    assert.equal(await one.renewById("id", "a", 60_000), true)
    assert.equal(await two.releaseById("id", ["a", "b"]), false)
    assert.equal(await one.releaseById("id", "a"), false)
    assert.equal(await b.release(), true)
  },

  async "tells only one of those who release the same at once that it was held"(trial) {
    const [one, two] = [trial.locks(), trial.locks()]
    await one.acquireById("id", "key")
    const release = (locks: typeof one) => locks.releaseById("id", "key")
    // The store can't know the order of two processes; in one they are put together.
    const released = await Promise.all([release(one), release(one), release(two)])
    assert.deepEqual(released.sort(), [false, false, true])
  },

  async "a lease under a chosen id ends when it was last told to, be it sooner than before"(trial) {
    const [one, two] = [trial.locks(), trial.locks()]
    await one.acquireById("id", "key", { ttl: Number.POSITIVE_INFINITY })
    await two.acquireById("id", "key", { ttl: 100 })
    assert.equal((await stateOf(one, "key"))?.holders.length, 1)
    await (await trial.soon("the end of the ttl", one.acquire("key"))).release()
  },

  async "a request that is given up is taken back, though it was granted meanwhile"(trial) {
    const one = trial.locks()
    const session = await trial.session()
    const lease = await one.acquire("key")
    const request = { seq: 7, id: "id", owner: "id", keys: ["key"], ttl: 60_000, wait: true }
    await session.execute({ renew: [], release: [], cancel: [], acquire: [request] })
    await lease.release()
    await session.execute({ renew: [], release: [], cancel: [{ seq: 7, keys: ["key"] }], acquire: [] })
    assert.deepEqual(await one.inspect(), [])
    await pause(0)
    assert.equal(
      await isPending(
        one.acquire("key").then((next) => next.release()),
        1_000,
      ),
      false,
    )
  },
}
