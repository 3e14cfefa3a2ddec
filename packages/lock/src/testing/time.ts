import assert from "node:assert/strict"
import type { Case } from "./case.js"
import { isPending, pause, stateOf, within } from "./trial.js"

/** 5, 6 and 7: timeouts are kept; the dead are passed over, and their leases end; the living renew theirs. */
export const time: Record<string, Case> = {
  async "keeps a timeout, to the fraction of a millisecond that it was given"(trial) {
    const locks = trial.locks()
    const lease = await locks.acquire("key")
    for (const timeout of [0.5, 33.4, 250]) {
      const start = performance.now()
      const attempt = trial.rejects(locks.acquire("key", { timeout }), "LOCK_TIMEOUT")
      // A timer of 50 ms more, set afterwards, is late where the machine is late: it is the measure.
      await within(timeout + 50, `a timeout of ${timeout} ms`, attempt)
      assert.ok(performance.now() - start >= timeout)
    }
    await lease.release()
  },

  async "tries once with a timeout of 0"(trial) {
    const [one, two] = [trial.locks(), trial.locks()]
    const lease = await one.acquire("key", { timeout: 0 })
    const error = await trial.rejects(two.acquire(["free", "key"], { timeout: 0 }), "LOCK_TIMEOUT")
    assert.match(error.message, /"key"/)
    assert.deepEqual((await stateOf(one, "key"))?.waiters, [])
    await lease.release()
  },

  async "waits without an end, if told to"(trial) {
    const [one, two] = [trial.locks(), trial.locks()]
    const lease = await one.acquire("key")
    const waiting = two.acquire("key", { timeout: Number.POSITIVE_INFINITY })
    assert.ok(await isPending(waiting, 100))
    await lease.release()
    await (await trial.soon("its turn", waiting)).release()
  },

  async "frees the keys of a process that died when their ttl ends, and not before"(trial) {
    const one = trial.locks()
    const { locks, life } = trial.mortal()
    const start = performance.now()
    await locks.acquire(["a", "b"], { ttl: 300 })
    life.dead = true
    const lease = await trial.soon("the dead holder's keys", one.acquire(["b", "a"]))
    assert.ok(performance.now() - start >= 300)
    await lease.release()
  },

  async "passes over a process that died while it waited, however often it waits"(trial) {
    const [one, two] = [trial.locks(), trial.locks()]
    const { locks, life } = trial.mortal()
    const lease = await one.acquire("key")
    for (let i = 0; i < 5; i++) {
      locks.acquire("key", { timeout: Number.POSITIVE_INFINITY }).catch(() => undefined)
      await trial.waiters("key", i + 1)
    }
    const waiting = two.acquire("key")
    await trial.waiters("key", 6)
    life.dead = true
    await lease.release()
    // One claim window, and not five.
    await (await within(3_000, "its turn, behind 5 dead requests", waiting)).release()
  },

  async "doesn't keep the living waiting behind a dead waiter behind a dead holder"(trial) {
    const one = trial.locks()
    const holder = trial.mortal()
    const waiter = trial.mortal()
    await trial.ready(one, holder.locks, waiter.locks)
    await holder.locks.acquire("a", { ttl: 200 })
    await holder.locks.acquire("b", { ttl: 60_000 })
    waiter.locks.acquire(["a", "c"], { timeout: Number.POSITIVE_INFINITY }).catch(() => undefined)
    await trial.waiters("c", 1)
    const waiting = one.acquire("c")
    await trial.waiters("c", 2)
    holder.life.dead = true
    waiter.life.dead = true
    await (await within(3_000, "a key that only the dead want", waiting)).release()
    await one.forceRelease("b")
  },

  async "queues a request again whose session was silent at its turn, and is alive after all"(trial) {
    const [one, two] = [trial.locks(), trial.locks()]
    const { locks, life } = trial.mortal()
    const lease = await one.acquire("key")
    const late = locks.acquire("key", { timeout: Number.POSITIVE_INFINITY })
    await trial.waiters("key", 1)
    const next = two.acquire("key")
    await trial.waiters("key", 2)
    life.failing = true
    await lease.release()
    const second = await trial.soon("the turn of the next", next)
    life.failing = false
    await trial.waiters("key", 1)
    await second.release()
    await (await trial.soon("the turn of the late one", late)).release()
  },

  async "renews a lease for as long as it is held"(trial) {
    const [one, two] = [trial.locks(), trial.locks()]
    const lease = await one.acquire("key", { ttl: 300 })
    for (let i = 0; i < 6; i++) {
      await pause(150)
      assert.equal(await two.tryAcquire("key"), null)
    }
    assert.equal(lease.signal.aborted, false)
    assert.equal(await lease.release(), true)
  },

  async "renews again after the store has failed for a moment"(trial) {
    const [one, { locks, life }] = [trial.locks(), trial.mortal()]
    const lease = await locks.acquire("key", { ttl: 1_500 })
    life.failing = true
    await pause(700)
    life.failing = false
    await pause(1_200)
    assert.equal(lease.loss, undefined)
    assert.equal(await one.tryAcquire("key"), null)
    assert.equal(await lease.release(), true)
  },

  async "doesn't renew a lease that was told not to"(trial) {
    const [one, two] = [trial.locks(), trial.locks()]
    const lease = await one.acquire("key", { ttl: 200, renew: false })
    await (await trial.soon("the end of the ttl", two.acquire("key"))).release()
    assert.equal(lease.signal.aborted, true)
    assert.equal(await lease.release(), false)
  },

  async "extends a lease by what it is told"(trial) {
    const [one, two] = [trial.locks(), trial.locks()]
    const lease = await one.acquire("key", { ttl: 100, renew: false })
    await lease.extend(60_000)
    await pause(200)
    assert.equal(await two.tryAcquire("key"), null)
    const expiresIn = (await stateOf(two, "key"))?.holders[0]?.expiresIn ?? 0
    assert.ok(expiresIn > 30_000 && expiresIn <= 60_000, `${expiresIn}`)
    assert.equal(await lease.release(), true)
  },

  async "holds a lease without an end until it is released"(trial) {
    const one = trial.locks()
    const { locks, life } = trial.mortal()
    await locks.acquire("key", { ttl: Number.POSITIVE_INFINITY })
    life.dead = true
    assert.equal((await stateOf(one, "key"))?.holders[0]?.expiresIn, Number.POSITIVE_INFINITY)
    await trial.rejects(one.acquire("key", { timeout: 100 }), "LOCK_TIMEOUT")
    assert.equal(await one.forceRelease("key"), true)
  },
}
