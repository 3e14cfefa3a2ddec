import assert from "node:assert/strict"
import type { Case } from "./case.js"
import { isPending, stateOf } from "./trial.js"

/** 12 and 14: leases are shown and can be taken away; nothing is left of those that have ended. */
export const outside: Record<string, Case> = {
  async "shows who holds and who waits, since when and at which place"(trial) {
    const [one, two] = [trial.locks(), trial.locks()]
    const lease = await one.acquire(["key", "other"], { owner: "holder", ttl: 60_000 })
    const waiting = [two.acquire("key", { owner: "first" })]
    await trial.waiters("key", 1)
    waiting.push(one.acquire("key", { owner: "second" }))
    await trial.waiters("key", 2)
    const state = (await stateOf(two, "key")) ?? assert.fail()
    const [holder] = state.holders
    assert.deepEqual([holder?.id, holder?.owner, holder?.token], [lease.id, "holder", lease.token])
    assert.deepEqual([...(holder?.keys ?? [])].sort(), ["key", "other"])
    assert.ok(holder && holder.expiresIn > 0 && holder.expiresIn <= 60_000)
    assert.deepEqual(
      state.waiters.map((waiter) => waiter.owner),
      ["first", "second"],
    )
    for (const each of [...state.holders, ...state.waiters]) assert.ok(each.age >= 0 && each.age < 60_000)
    await lease.release()
    for (const each of waiting) await (await trial.soon("its turn", each)).release()
    assert.deepEqual(await one.inspect(), [])
  },

  async "takes a lease away by force, tells its holder, and lets the next one in"(trial) {
    const [one, two, three] = [trial.locks(), trial.locks(), trial.locks()]
    const lease = await one.acquire(["a", "b"])
    const aborted = new Promise((resolve) => lease.signal.addEventListener("abort", resolve))
    const waiting = two.acquire("b")
    await trial.waiters("b", 1)
    assert.equal(await three.forceRelease("a"), true)
    await trial.soon("the holder's signal", aborted)
    assert.equal(lease.loss?.code, "LOCK_LOST")
    assert.equal(await lease.release(), false)
    await (await trial.soon("the other key of the lease", waiting)).release()
    assert.equal(await three.forceRelease("a"), false)
  },

  async "stops waiting when the signal says so, and leaves nothing behind"(trial) {
    const [one, two] = [trial.locks(), trial.locks()]
    const lease = await one.acquire("key")
    const stop = new AbortController()
    const first = two.acquire(["key", "other"], { signal: stop.signal })
    await trial.waiters("key", 1)
    const reason = new Error("no longer wanted")
    stop.abort(reason)
    assert.equal((await trial.rejects(first, "LOCK_ABORTED")).cause, reason)
    await trial.waiters("key", 0)
    await trial.rejects(two.acquire("key", { signal: stop.signal }), "LOCK_ABORTED")
    assert.equal(await two.tryAcquire("other").then((other) => other?.release()), true)
    await lease.release()
  },

  async "doesn't end a lease by the signal of the wait"(trial) {
    const [one, two] = [trial.locks(), trial.locks()]
    const stop = new AbortController()
    const lease = await one.acquire("key", { signal: stop.signal })
    stop.abort()
    assert.equal(await two.tryAcquire("key"), null)
    assert.equal(await lease.release(), true)
  },

  async "rejects who waits, tells who holds and frees all, when it is closed"(trial) {
    const [one, two] = [trial.locks(), trial.locks()]
    const lease = await one.acquire("mine")
    const busy = await two.acquire("theirs")
    const waiting = trial.rejects(one.acquire(["theirs", "third"]), "LOCK_CLOSED")
    await trial.waiters("theirs", 1)
    const next = two.acquire("mine")
    await trial.waiters("mine", 1)
    await trial.soon("close()", Promise.all([one.close(), one.close()]))
    await waiting
    assert.equal(lease.signal.reason.code, "LOCK_CLOSED")
    assert.equal(await lease.release(), false)
    await (await trial.soon("the freed key", next)).release()
    assert.equal(await two.tryAcquire("third").then((third) => third?.release()), true)
    for (const late of [one.acquire("key"), one.tryAcquire("key"), one.run("key", () => 1), one.inspect()])
      await trial.rejects(late, "LOCK_CLOSED")
    await busy.release()
  },

  async "leaves nothing behind after many requests that end in all ways"(trial) {
    const processes = [trial.locks(), trial.locks()]
    const ends = Array.from({ length: 300 }, async (_, i) => {
      const locks = processes[i % 2] ?? assert.fail()
      const keys = [`key ${i % 7}`, `key ${(i * 3) % 7}`]
      const signal = i % 5 === 0 ? AbortSignal.timeout(i % 20) : undefined
      const lease = await locks.acquire(keys, { timeout: i % 50, signal, owner: `owner ${i % 20}` })
      assert.equal(await lease.release(), true)
    })
    await trial.soon("300 requests", Promise.allSettled(ends))
    await trial.empty(processes[0] ?? assert.fail())
    assert.equal(await isPending(Promise.resolve()), false)
  },
}
