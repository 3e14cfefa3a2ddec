import assert from "node:assert/strict"
import type { Case } from "./case.js"
import { isPending } from "./trial.js"

const owner = "the same owner"

/** 11: an owner re-enters the keys that it holds; they are free when it has released them as often. */
export const reentry: Record<string, Case> = {
  async "lets an owner in again at once, before those who wait, in another process too"(trial) {
    const [one, two] = [trial.locks(), trial.locks()]
    const outer = await one.acquire(["a", "b"], { owner })
    const waiting = two.acquire("a")
    await trial.waiters("a", 1)
    const inner = await trial.soon("re-entry", two.acquire("a", { owner }))
    assert.equal(inner.token, outer.token)
    assert.equal(await outer.release(), true)
    assert.ok(await isPending(waiting))
    assert.equal(await two.tryAcquire("b").then((lease) => lease?.release()), true)
    assert.equal(await inner.release(), true)
    const next = await trial.soon("its turn", waiting)
    assert.ok(next.token > outer.token)
    await next.release()
  },

  async "keeps the outer lease when the inner one is released"(trial) {
    const [one, two] = [trial.locks(), trial.locks()]
    const outer = await one.acquire("key", { owner })
    const inner = await one.acquire("key", { owner })
    assert.equal(await inner.release(), true)
    assert.equal(await inner.release(), false)
    assert.equal(await two.tryAcquire("key"), null)
    assert.equal(await outer.release(), true)
    assert.equal(await two.tryAcquire("key").then((lease) => lease?.release()), true)
  },

  async "extends: the keys are held for as long as any of the leases lasts"(trial) {
    const [one, two] = [trial.locks(), trial.locks()]
    const outer = await one.acquire("key", { owner, ttl: 100, renew: false })
    const inner = await one.acquire("key", { owner, ttl: 60_000 })
    await trial.soon(
      "the end of the outer lease",
      new Promise((resolve) => outer.signal.addEventListener("abort", resolve)),
    )
    assert.equal(await two.tryAcquire("key"), null)
    assert.equal(await inner.release(), true)
  },

  async "takes another owner for another, in the same process too"(trial) {
    const locks = trial.locks()
    const lease = await locks.acquire("key", { owner })
    assert.equal(await locks.tryAcquire("key", { owner: "another" }), null)
    await lease.release()
    const lapsed = await locks.acquire("key", { owner, ttl: 100, renew: false })
    const next = await trial.soon("the end of the ttl", locks.acquire("key", { owner: "another" }))
    assert.equal(await locks.tryAcquire("key", { owner }), null)
    assert.equal(await lapsed.release(), false)
    await next.release()
  },

  async "adds keys to those that the owner holds, when they are free"(trial) {
    const [one, two] = [trial.locks(), trial.locks()]
    const outer = await one.acquire("a", { owner })
    const waiting = two.acquire(["a", "c"])
    await trial.waiters("a", 1)
    const busy = await two.acquire("b")
    const inner = one.acquire(["a", "b"], { owner })
    await trial.waiters("b", 1)
    assert.equal(await busy.release(), true)
    const lease = await trial.soon("the added key", inner)
    assert.equal(lease.tokenOf("a"), outer.token)
    assert.ok(lease.tokenOf("b") > busy.token)
    assert.equal(lease.token, lease.tokenOf("b"))
    await Promise.all([outer.release(), lease.release()])
    const next = await trial.soon("its turn", waiting)
    assert.ok(next.tokenOf("a") > outer.token)
    await next.release()
  },

  async "doesn't deadlock when an owner asks for more while others wait for what it holds"(trial) {
    const [one, two] = [trial.locks(), trial.locks()]
    const outer = await one.acquire("a", { owner })
    const other = two.acquire(["a", "b"])
    await trial.waiters("b", 1)
    const inner = one.acquire(["a", "b"], { owner })
    await trial.waiters("b", 2)
    await outer.release()
    await (await trial.soon("the first in the queue", other)).release()
    await (await trial.soon("the second in the queue", inner)).release()
  },

  async "serves two requests of one owner that had to wait one after the other"(trial) {
    const [one, two] = [trial.locks(), trial.locks()]
    const lease = await one.acquire("key")
    const first = two.acquire("key", { owner })
    await trial.waiters("key", 1)
    const second = two.acquire("key", { owner })
    await trial.waiters("key", 2)
    await lease.release()
    const outer = await trial.soon("the first", first)
    assert.ok(await isPending(second))
    assert.equal(await outer.release(), true)
    await (await trial.soon("the second", second)).release()
  },
}
