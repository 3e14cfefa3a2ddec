import { describe, expect, it } from "vitest"
import {
  type Lease,
  LockArgumentError,
  type LockDeadlockError,
  type LockListener,
  Locks,
} from "../src/index.js"
import { memoryStore } from "../src/memory.js"
import type { Batch, Session, Store } from "../src/store.js"

const deadlockOf = (request: Promise<unknown>) =>
  request.then(
    () => expect.fail("it was granted"),
    (error) => {
      expect(error).toMatchObject({ name: "LockDeadlockError", code: "LOCK_DEADLOCK" })
      return error as LockDeadlockError
    },
  )

/** A memory store, and the holds of each request that it was given. */
function watched(): { store: Store; holds: (readonly string[])[] } {
  const holds: (readonly string[])[] = []
  const memory = memoryStore()
  const store: Store = {
    connect(wake) {
      const session = memory.connect(wake) as Session
      const execute = (batch: Batch) => {
        for (const request of batch.acquire) holds.push(request.holds?.map(({ id }) => id) ?? [])
        return session.execute(batch)
      }
      return Object.assign(Object.create(session), { execute, close: () => session.close() })
    },
  }
  return { store, holds }
}

/** Fulfilled by `open()`. */
function gate() {
  let open = () => {}
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { open, opened }
}

describe("the message of a deadlock", () => {
  it("says of a nested run that it holds its key itself", async () => {
    const locks = new Locks(memoryStore(), { trackNesting: true })
    await locks.run("a", async (outer) => {
      const error = await deadlockOf(locks.run("a", () => expect.fail("it ran")))
      expect(error.message).toBe(
        `Could not lock "a" without a deadlock: this caller waits for "a", which it holds (lease ${outer.id})`,
      )
    })
  })

  it("names owners where they have names, and requests where they don't", async () => {
    const locks = new Locks(memoryStore())
    const [a, b] = [await locks.acquire("a", { owner: "anna" }), await locks.acquire("b")]
    const both = locks.acquire(["c", "a"], { holding: b })
    const { message, circle } = await deadlockOf(locks.acquire("c", { holding: a }))
    expect(message).toBe(
      `Could not lock "c" without a deadlock: this caller waits for "c", where request ${circle[1]?.id} is before it ` +
        `in the queue; request ${circle[1]?.id} waits for "a", which this caller holds (lease ${a.id})`,
    )
    await a.release()
    await Promise.all([both.then((lease) => lease.release()), b.release()])
  })

  it("stays short, however long the circle is and the keys are", async () => {
    const locks = new Locks(memoryStore())
    const keys = Array.from({ length: 100 }, (_, i) => `${i} ${"k".repeat(1_000)}`)
    const leases = await Promise.all(keys.map((key) => locks.acquire(key)))
    const stop = new AbortController()
    const options = (i: number) => ({ holding: leases[i] as Lease, signal: stop.signal })
    const waiting = Promise.allSettled(
      keys.slice(0, 99).map((_, i) => locks.acquire(keys[i + 1] as string, options(i))),
    )
    const { message, circle } = await deadlockOf(locks.acquire(keys[0] as string, options(99)))
    expect(circle).toHaveLength(100)
    expect(message.length).toBeLessThan(2_000)
    expect(message).toMatch(/and so on, through 100 requests, back to this caller$/)
    stop.abort()
    await waiting
    await locks.close()
  })
})

describe("holding", () => {
  it("takes leases, of either build and of another instance, and nothing else", async () => {
    const { store, holds } = watched()
    const [locks, others] = [new Locks(store), new Locks(memoryStore())]
    const [lease, other] = [await locks.acquire("a"), await others.acquire("b")]
    await (
      await locks.acquire("c", { holding: [lease, { ...other, id: other.id, keys: other.keys }] })
    ).release()
    expect(holds.at(-1)).toEqual([lease.id, other.id])
    for (const holding of [
      null,
      "a",
      7,
      {},
      { id: "a", keys: [] },
      { id: 1, keys: ["a"] },
      [lease, undefined],
    ])
      await expect(locks.acquire("c", { holding: holding as never })).rejects.toThrow(LockArgumentError)
    await Promise.all([locks.close(), others.close()])
  })

  it("refuses nothing that is free, nor a single try", async () => {
    const locks = new Locks(memoryStore())
    const lease = await locks.acquire("a", { owner: "anna" })
    await (await locks.acquire("a", { owner: "anna", holding: lease })).release()
    await expect(locks.acquire("a", { holding: lease, timeout: 0 })).rejects.toMatchObject({
      code: "LOCK_TIMEOUT",
    })
    await lease.release()
  })

  it("serves an id that is acquired again, by which a lease is released elsewhere", async () => {
    const locks = new Locks(memoryStore())
    const lease = await locks.acquire("a")
    await deadlockOf(locks.acquireById("id", "a", { holding: lease }))
    await lease.release()
  })
})

it("finds no circle that closes since a lease ends which a waiting request shared: it ends by a timeout", async () => {
  const locks = new Locks(memoryStore())
  const owner = "anna"
  const [a, b, c] = [await locks.acquire("a", { owner }), await locks.acquire("b"), await locks.acquire("c")]
  const both = locks.acquire(["a", "b"], { timeout: 200 })
  const again = locks.acquire(["a", "c"], { owner, holding: b })
  // Until now it passed the queue of "a"; from here on it waits for the one that waits for "b".
  await a.release()
  await c.release()
  await expect(both).rejects.toMatchObject({ code: "LOCK_TIMEOUT" })
  await (await again).release()
  await b.release()
})

describe("nesting that is tracked", () => {
  it("finds A then B against B then A, in two instances on one store", async () => {
    const store = memoryStore()
    const [one, two] = [1, 2].map(() => new Locks(store, { trackNesting: true })) as [Locks, Locks]
    const [a, b] = [gate(), gate()]
    const first = one.run("a", async () => {
      a.open()
      await b.opened
      return one.run("b", () => "both")
    })
    const second = two.run("b", async () => {
      await a.opened
      b.open()
      // The other waits for this key by now: what runs first here was asked first.
      await new Promise(setImmediate)
      return two.run("a", () => "both")
    })
    const { circle } = await deadlockOf(second)
    expect(circle.map(({ waitsFor }) => waitsFor)).toEqual(["a", "b"])
    expect(await first).toBe("both")
  })

  it("ends with each lease, and is no other job's", async () => {
    const { store, holds } = watched()
    const locks = new Locks(store, { trackNesting: true })
    const asked = async (key: string) => {
      await locks.run(key, () => undefined)
      return holds.at(-1)
    }
    const ended = gate()
    let late: Promise<readonly string[] | undefined> | undefined
    await locks.run("a", async (outer) => {
      expect(await asked("b")).toEqual([outer.id])
      await locks.run("c", async (inner) => {
        expect(await asked("b")).toEqual([outer.id, inner.id])
        await inner.release()
        expect(await asked("b")).toEqual([outer.id])
      })
      late = ended.opened.then(() => asked("b"))
    })
    ended.open()
    expect(await late).toEqual([])
    expect(await asked("b")).toEqual([])
  })

  it("is nothing to a listener, which no job waits for", async () => {
    const { store, holds } = watched()
    const reported: Promise<unknown>[] = []
    const report = (event: string) => {
      if (reported.length < 2) reported.push(locks.run(`report of ${event}`, () => undefined))
    }
    const on = { released: ({ keys }: { keys: readonly string[] }) => keys[0] === "b" && report("b") }
    const locks: Locks = new Locks(store, { trackNesting: true, on: on as LockListener })
    await locks.run("a", () => locks.run("b", () => undefined))
    await Promise.all(reported)
    expect(holds.map(({ length }) => length)).toEqual([0, 1, 0])
  })

  it("is overruled by what a request says", async () => {
    const { store, holds } = watched()
    const locks = new Locks(store, { trackNesting: true })
    let later: Promise<string> | undefined
    await locks.run("a", async () => {
      // Not awaited in here, it doesn't keep the outer lease.
      later = locks.run("a", () => "done", { holding: [] })
      expect(holds.at(-1)).toEqual([])
    })
    expect(await later).toBe("done")
  })

  it("isn't done by default", async () => {
    const { store, holds } = watched()
    const locks = new Locks(store)
    await locks.run("a", () => locks.run("b", () => undefined))
    expect(holds).toEqual([[], []])
    await expect(async () => new Locks(store, { trackNesting: 1 as never })).rejects.toThrow(
      LockArgumentError,
    )
  })
})
