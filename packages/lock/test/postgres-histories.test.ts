import assert from "node:assert/strict"
import fc from "fast-check"
import pg from "pg"
import { afterAll, beforeAll, describe, it } from "vitest"
import { memoryStore } from "../src/memory.js"
import type { PgClient } from "../src/postgres/clients.js"
import { sqlOf } from "../src/postgres/install.js"
import { namesOf } from "../src/postgres/names.js"
import { LONGEST_FORGOTTEN } from "../src/postgres/rules.js"
import { PostgresSession } from "../src/postgres/session.js"
import type { Batch, BatchResult, Session, Store } from "../src/store.js"
import { histories } from "./generators.js"
import { History, inTime, SESSIONS, type Step, type Subject } from "./history.js"
import { isNightly } from "./nightly.js"
import { server } from "./postgres-server.js"

const postgres = server()
const SETTINGS = { numRuns: Number(process.env.HOLDFAST_RUNS ?? (isNightly ? 100 : 40)) }
const names = namesOf("histories", "(SELECT c.now FROM histories.clock c)")
/** One for each session and one for the witness; to plan anew for each history would take most of the time. */
const clients: pg.Client[] = []

beforeAll(async () => {
  for (let i = 0; i <= SESSIONS; i++) clients.push(new pg.Client({ connectionString: postgres.url() }))
  await Promise.all(clients.map((client) => client.connect()))
  await clients[0]?.query(`${sqlOf(names)}; CREATE TABLE histories.clock AS SELECT 0::float AS now`)
})
afterAll(async () => {
  await clients[0]?.query("DROP SCHEMA histories CASCADE")
  await Promise.all(clients.map((client) => client.end()))
})

const one: Step = { kind: "acquire", session: 0, keys: ["a"], ttl: 3_000, owner: null, wait: true }
/** One of the two leases that share a key is released by a session that waits for it, too. */
const RE_ENTERED: Step[] = [
  { ...one, owner: "anna" },
  { ...one, owner: "anna" },
  one,
  { kind: "release", pick: 0 },
]
/** The next in the queue of what is released wants another key as well, and that is held. */
const WANTS_MORE: Step[] = [
  one,
  { ...one, session: 1, keys: ["b"] },
  { ...one, keys: ["a", "b"] },
  { kind: "release", pick: 0 },
]

describe("any history of requests, on Postgres", () => {
  it("keeps the promises, and shows every session what memory shows it", async () => {
    const play = inTime(async (steps) => {
      await forget()
      const seen = await History.play(steps, onPostgres)
      assert.deepEqual(seen, await History.play(steps, (now) => alike(memoryStore({ clock: now }), now)))
    })
    await fc.assert(fc.asyncProperty(histories, play), {
      ...SETTINGS,
      examples: [[RE_ENTERED], [WANTS_MORE]],
    })
  }, 120_000)

  it("keeps the promises when the server crashes, and forgets what wasn't on the disk", async () => {
    const play = inTime(async (steps) => {
      await forget()
      await History.play(steps, (now) => ({ ...onPostgres(now), disaster }))
    })
    await fc.assert(fc.asyncProperty(histories, play), {
      ...SETTINGS,
      examples: [[RE_ENTERED], [WANTS_MORE]],
    })
  }, 120_000)
})

/** As after a crash, of which nothing is left on the disk either. */
async function forget(): Promise<void> {
  await disaster.strike()
  await clients[0]?.query("TRUNCATE histories.lasting")
  await clients[0]?.query("UPDATE histories.horizon SET ttl = 0")
}

/** All that is UNLOGGED is empty after a crash. */
const disaster = {
  strike: async () =>
    void (await clients[0]?.query("TRUNCATE histories.queue, histories.session, histories.epoch")),
  keeps: (ttl: number) => ttl > LONGEST_FORGOTTEN,
  recovers: true,
}

function onPostgres(now: () => number): Subject {
  const free = [...clients]
  const store: Store = {
    connect(wake) {
      const client = lend(free.pop() ?? assert.fail(), now)
      const access = { names, connect: async () => client, pool: undefined, timeoutMs: 10_000 }
      return new PostgresSession(access, wake).open()
    },
  }
  // Notifications from before arrive before the answer to this statement.
  const arrived = async () => void (await Promise.all(clients.map((client) => client.query("SELECT 1"))))
  return { ...alike(store, now), arrived }
}

/** A client for one history, which finds the history's time in a table. */
function lend(client: pg.Client, now: () => number): PgClient {
  return {
    connect: async () => undefined,
    async query(statement) {
      await client.query({
        name: "clock",
        text: "UPDATE histories.clock c SET now = $1 WHERE c.now <> $1",
        values: [now()],
      })
      return client.query(statement as pg.QueryConfig)
    },
    async end() {
      client.removeAllListeners()
      await client.query("UNLISTEN *")
    },
    on: (event, listener) => client.on(event as "notification", listener as () => void),
    removeListener: (event, listener) => client.removeListener(event, listener as () => void),
    processID: (client as unknown as { processID: number }).processID,
  }
}

/**
 * Evens out in what the stores may differ. Each may name the tokens of all keys where one would do; and a session
 * that waits may keep to a time that it already knows, as long as that is soon enough.
 */
function alike(store: Store, now: () => number): Store {
  return {
    async connect(wake) {
      const keys = new Map<number, readonly string[]>()
      const waiting = new Set<number>()
      let known = Number.POSITIVE_INFINITY
      const session = await store.connect((within) => {
        if (within <= 0) return wake(within)
        if (now() + within >= known) return
        known = now() + within
        wake(within)
      })
      const keep = (wakeIn = Number.POSITIVE_INFINITY) => {
        const next = now() + wakeIn
        if (waiting.size === 0) known = Number.POSITIVE_INFINITY
        else if (known <= now() || known > next) known = next
        return known === Number.POSITIVE_INFINITY ? undefined : known - now()
      }
      return {
        async inspect() {
          const sorted = <T extends { keys: readonly string[] }>(list: readonly T[]) =>
            list.map((each) => ({ ...each, keys: [...each.keys].sort() }))
          const states = await session.inspect()
          return states.map(({ key, holders, waiters }) => ({
            key,
            holders: sorted(holders),
            waiters: sorted(waiters),
          }))
        },
        forceRelease: (key) => session.forceRelease(key),
        close: () => session.close(),
        async execute(batch: Batch): Promise<BatchResult> {
          const result = await session.execute(batch)
          for (const { seq } of batch.cancel) waiting.delete(seq)
          for (const request of batch.acquire) {
            keys.set(request.seq, request.keys)
            waiting.add(request.seq)
          }
          const granted = result.granted.map(({ seq, token, tokens }) => ({
            seq,
            token,
            tokens: tokens ?? keys.get(seq)?.map(() => token),
          }))
          for (const { seq } of [...granted, ...result.refused, ...(result.deadlocked ?? [])])
            waiting.delete(seq)
          for (const seq of result.dropped) waiting.delete(seq)
          const taken = [...result.taken].sort()
          return {
            ...result,
            granted,
            taken,
            dropped: [...result.dropped].sort(),
            wakeIn: keep(result.wakeIn),
          }
        },
      } satisfies Session
    },
  }
}
