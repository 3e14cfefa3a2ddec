import assert from "node:assert/strict"
import type { LockDeadlockError, Locks } from "../index.js"
import type { Case } from "./case.js"
import { stateOf, type Trial } from "./trial.js"

/** 13: a request that would wait for itself is refused when it would begin to, and no other request ever is. */
export const deadlock: Record<string, Case> = {
  async "refuses a request for a key that its caller holds itself"(trial) {
    const locks = trial.locks()
    const outer = await locks.acquire(["a", "b"])
    const { circle, message } = await refused(trial, locks.acquire(["c", "b"], { holding: outer }))
    assert.equal(circle.length, 1)
    assert.deepEqual([...(circle[0]?.keys ?? [])].sort(), ["b", "c"])
    assert.equal(circle[0]?.waitsFor, "b")
    assert.deepEqual(circle[0]?.heldBy, { id: outer.id, owner: outer.owner })
    assert.match(message, /this caller waits for "b", which it holds/)
    assert.deepEqual((await stateOf(locks, "b"))?.waiters, [])
    assert.equal(await outer.release(), true)
  },

  async "refuses the last of two processes that lock the same keys in opposite order, and says who holds what"(
    trial,
  ) {
    const [one, two] = [trial.locks(), trial.locks()]
    const a = await one.acquire("a", { owner: "one" })
    const b = await two.acquire("b", { owner: "two" })
    const first = one.acquire("b", { holding: a })
    await trial.waiters("b", 1)
    const { circle, keys, message } = await refused(trial, two.acquire("a", { holding: [b] }))
    assert.deepEqual(keys, ["a"])
    assert.deepEqual(
      circle.map(({ waitsFor, heldBy }) => [waitsFor, heldBy?.id, heldBy?.owner]),
      [
        ["a", a.id, "one"],
        ["b", b.id, "two"],
      ],
    )
    assert.match(message, /this caller waits for "a", which "one" holds/)
    assert.match(message, /"one" waits for "b", which this caller holds/)
    // The refused one gives up what it holds, and the other goes on.
    assert.equal(await b.release(), true)
    const lease = await trial.soon("the other's second key", first)
    await Promise.all([lease.release(), a.release()])
  },

  async "finds a circle of several processes"(trial) {
    const processes = ["a", "b", "c", "d"].map((key) => ({ key, locks: trial.locks() }))
    const leases = await Promise.all(processes.map(({ key, locks }) => locks.acquire(key)))
    const waiting = []
    for (const [i, { locks }] of processes.slice(0, 3).entries()) {
      const next = processes[i + 1]?.key ?? assert.fail()
      waiting.push(locks.acquire(next, { holding: leases[i] }))
      await trial.waiters(next, 1)
    }
    const last = processes[3]?.locks ?? assert.fail()
    const { circle } = await refused(trial, last.acquire("a", { holding: leases[3] }))
    assert.deepEqual(
      circle.map(({ waitsFor }) => waitsFor),
      ["a", "b", "c", "d"],
    )
    for (const [i, it] of waiting.reverse().entries()) {
      await leases[3 - i]?.release()
      await (await trial.soon("the next key", it)).release()
    }
    await leases[0]?.release()
  },

  async "finds a circle that goes through a place in a queue"(trial) {
    const [one, two] = [trial.locks(), trial.locks()]
    const a = await one.acquire("a")
    const both = two.acquire(["a", "b"])
    await trial.waiters("b", 1)
    // No lease holds "b": who wants it comes after the one that waits for "a".
    const { circle } = await refused(trial, one.acquire("b", { holding: a }))
    assert.deepEqual(
      circle.map(({ waitsFor, heldBy }) => [waitsFor, heldBy?.id]),
      [
        ["b", undefined],
        ["a", a.id],
      ],
    )
    await a.release()
    await (await trial.soon("both keys", both)).release()
  },

  async "refuses none that waits for another which goes on by itself"(trial) {
    const [one, two] = [trial.locks(), trial.locks()]
    const [a, b] = [await one.acquire("a"), await two.acquire("b")]
    const waiting = one.acquire("b", { holding: a })
    await trial.waiters("b", 1)
    const behind = two.acquire("a")
    await trial.waiters("a", 1)
    assert.equal(await b.release(), true)
    const inner = await trial.soon("the inner key", waiting)
    assert.equal(await inner.release(), true)
    assert.equal(await a.release(), true)
    await (await trial.soon("the outer key", behind)).release()
  },

  async "takes requests of one owner for no circle, unless they say what they hold"(trial) {
    const locks = trial.locks()
    const owner = "the name of a machine"
    const [a, b] = [await locks.acquire("a", { owner }), await locks.acquire("b", { owner: "another" })]
    const first = locks.acquire("b", { owner, holding: a })
    await trial.waiters("b", 1)
    const second = locks.acquire("a", { owner: "another" })
    await trial.waiters("a", 1)
    const again = await trial.soon("re-entry", locks.acquire("a", { owner, holding: a }))
    await b.release()
    await (await trial.soon("the first", first)).release()
    await Promise.all([a.release(), again.release()])
    await (await trial.soon("the second", second)).release()
  },

  async "refuses none for what waits for a key that its owner holds, since it passes that queue"(trial) {
    const [one, two] = [trial.locks(), trial.locks()]
    const owner = "the same owner"
    const [a, b, c] = [await one.acquire("a", { owner }), await one.acquire("b"), await two.acquire("c")]
    const both = two.acquire(["a", "b"])
    await trial.waiters("b", 1)
    const again = one.acquire(["a", "c"], { owner, holding: b })
    await trial.waiters("c", 1)
    await c.release()
    await (await trial.soon("re-entry", again)).release()
    await Promise.all([a.release(), b.release()])
    await (await trial.soon("both keys", both)).release()
  },

  async "doesn't take a request that was served for one that waits"(trial) {
    const [one, two] = [trial.locks(), trial.locks()]
    const [a, b] = [await one.acquire("a"), await two.acquire("b")]
    const served = one.acquire("b", { holding: a })
    await trial.waiters("b", 1)
    await b.release()
    const inner = await trial.soon("the inner key", served)
    const behind = two.acquire("b")
    await trial.waiters("b", 1)
    // Nothing keeps "a" any more.
    const last = two.acquire("a", { holding: inner })
    await trial.waiters("a", 1)
    await a.release()
    await (await trial.soon("the key that was not kept", last)).release()
    await inner.release()
    await (await trial.soon("its turn", behind)).release()
  },

  async "forgets what a lease was kept for when it is lost, and what a request held when it gives up"(trial) {
    const [one, two, three] = [trial.locks(), trial.locks(), trial.locks()]
    const [a, b] = [await one.acquire("a"), await two.acquire("b")]
    const stop = new AbortController()
    const gaveUp = one.acquire("b", { holding: a, signal: stop.signal })
    await trial.waiters("b", 1)
    stop.abort()
    await trial.rejects(gaveUp, "LOCK_ABORTED")
    await trial.waiters("b", 0)
    const lost = one.acquire("b", { holding: a })
    await trial.waiters("b", 1)
    assert.equal(await three.forceRelease("a"), true)
    const free = await trial.soon("the key that was taken away", two.acquire("a", { holding: b }))
    await Promise.all([free.release(), b.release()])
    await (await trial.soon("the other's key", lost)).release()
  },

  async "checks again when a request is queued again, whose session was silent at its turn"(trial) {
    const [one, two] = [trial.locks(), trial.locks()]
    const { locks, life } = trial.mortal()
    const held = await locks.acquire("held")
    const key = await one.acquire("key")
    const late = locks.acquire("key", { timeout: Number.POSITIVE_INFINITY, holding: held })
    await trial.waiters("key", 1)
    life.failing = true
    await key.release()
    // It was passed over, and another has the key, who waits for what it holds.
    const next = await trial.soon("the turn of the next", two.acquire("key"))
    const other = two.acquire("held", { holding: next })
    await trial.waiters("held", 1)
    life.failing = false
    await refused(trial, late)
    assert.equal(await held.release(), true)
    await (await trial.soon("what it held", other)).release()
    await next.release()
  },

  async "shows what a waiting request holds"(trial) {
    const [one, two] = [trial.locks(), trial.locks()]
    const [outer, other] = [await one.acquire(["a", "b"]), await one.acquire("c")]
    const busy = await two.acquire("key")
    const waiting = one.acquire("key", { holding: [outer, other] })
    await trial.waiters("key", 1)
    const shown = async () => [...((await stateOf(two, "key"))?.waiters[0]?.holds ?? [])].sort()
    assert.deepEqual(await shown(), [outer.id, other.id].sort())
    await outer.release()
    assert.deepEqual(await shown(), [other.id])
    await other.release()
    assert.deepEqual(await shown(), [])
    await busy.release()
    await (await trial.soon("its turn", waiting)).release()
  },
}

async function refused(trial: Trial, request: ReturnType<Locks["acquire"]>): Promise<LockDeadlockError> {
  return (await trial.rejects(request, "LOCK_DEADLOCK")) as LockDeadlockError
}
