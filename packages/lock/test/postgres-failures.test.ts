import { randomBytes } from "node:crypto"
import { readFileSync } from "node:fs"
import { rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type LocalPostgres, startPostgres, unsafeFastSettings } from "@holdfast/postgres-local"
import pg from "pg"
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import { type LockDefaults, Locks } from "../src/index.js"
import { type PostgresOptions, postgresStore } from "../src/postgres/index.js"
import { LossyProxy } from "./proxy.js"

/** A server of its own, to be hurt. */
let server: LocalPostgres
const dataDir = join(tmpdir(), `holdfast-lock-${randomBytes(6).toString("hex")}`)
const opened: Locks[] = []

const start = (port?: number) => startPostgres({ dataDir, port, settings: unsafeFastSettings })
beforeAll(async () => {
  server = await start()
}, 60_000)
afterEach(async () => {
  await Promise.all(opened.splice(0).map((locks) => locks.close()))
  await run("DROP SCHEMA IF EXISTS holdfast_lock CASCADE")
})
afterAll(async () => {
  await server.stop()
  await rm(dataDir, { recursive: true, force: true })
}, 60_000)

function locksOn(defaults: LockDefaults = {}, options: Partial<PostgresOptions> = {}): Locks {
  const store = postgresStore({ connectionString: server.url(), responseTimeout: 2_000, ...options })
  const locks = new Locks(store, { ttl: 2_000, timeout: 30_000, ...defaults })
  opened.push(locks)
  return locks
}

/** All of the server dies at one moment, as by a power cut, and it comes back. */
async function crash(): Promise<void> {
  const processes = [server.pid, ...childrenOf(server.pid)]
  for (const pid of processes.filter(isAlive)) process.kill(pid, "SIGKILL")
  await expect.poll(() => processes.filter(isAlive)).toEqual([])
  server = await start(server.port)
}

function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean).map(Number)
}

function isAlive(pid: number): boolean {
  try {
    return !/^State:\s*Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"))
  } catch {
    return false
  }
}

const aborted = (signal: AbortSignal) =>
  new Promise<number>((resolve) => signal.addEventListener("abort", () => resolve(performance.now())))

describe("a crash of the server", () => {
  it("doubles no lease and sets no token back; the waiting requests are served when it is over", async () => {
    const [one, two, three] = [locksOn(), locksOn(), locksOn()]
    const before = await one.acquire("key")
    const lost = aborted(before.signal)
    const waiting = two.acquire("key").then((lease) => ({ lease, at: performance.now() }))
    await expect.poll(async () => (await one.inspect())[0]?.waiters.length).toBe(1)
    await crash()
    const back = performance.now()
    const other = three.acquire("another").then((lease) => ({ lease, at: performance.now() }))
    const [lostAt, after, fresh] = await Promise.all([lost, waiting, other])
    expect(after.at).toBeGreaterThan(lostAt)
    // It is unknown which keys were held, so none is granted for as long as one may have been.
    expect(fresh.at - back).toBeGreaterThan(1_900)
    expect(after.lease.token).toBeGreaterThan(before.token)
    expect(fresh.lease.token).toBeGreaterThan(before.token)
    expect(await after.lease.release()).toBe(true)
  })

  it("sets no token back, however many had been given out", async () => {
    const locks = locksOn({ ttl: 1_500 })
    let last = 0n
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 100; i++)
        await locks.run("key", ({ token }) => {
          expect(token).toBeGreaterThan(last)
          last = token
        })
      await crash()
      await expect
        .poll(() =>
          locks.tryAcquire("warm").then(
            (it) => it?.release(),
            () => null,
          ),
        )
        .toBe(true)
    }
  })

  it("forgets no lease that is for longer than recovery waits", async () => {
    const [one, two] = [locksOn(), locksOn({ ttl: 100 })]
    const long = await one.acquire("long", { ttl: 120_000, renew: false })
    const endless = await one.acquire("endless", { ttl: Number.POSITIVE_INFINITY })
    const ended = await one.acquire("ended", { ttl: Number.POSITIVE_INFINITY })
    await ended.release()
    await crash()
    await expect
      .poll(() =>
        two.tryAcquire("ended").then(
          (it) => it?.release(),
          () => null,
        ),
      )
      .toBe(true)
    expect(await two.tryAcquire("long")).toBe(null)
    expect(await two.tryAcquire("endless")).toBe(null)
    expect(await long.release()).toBe(true)
    expect(await endless.release()).toBe(true)
    expect(await two.tryAcquire("long").then((lease) => lease?.release())).toBe(true)
  })
})

describe("a server that is restarted", () => {
  it("knows its leases and its queue as before", async () => {
    const [one, two] = [locksOn({ ttl: 20_000 }), locksOn()]
    const lease = await one.acquire("key")
    const waiting = two.acquire("key")
    await expect.poll(async () => (await one.inspect())[0]?.waiters.length).toBe(1)
    await server.stop()
    await expect(one.acquire("other")).rejects.toMatchObject({ code: "LOCK_STORE_FAILED" })
    server = await start(server.port)
    await expect
      .poll(() =>
        one.inspect().then(
          (states) => states.length,
          () => 0,
        ),
      )
      .toBe(1)
    expect(lease.loss).toBe(undefined)
    expect(await lease.release()).toBe(true)
    const next = await waiting
    expect(next.token).toBeGreaterThan(lease.token)
    await next.release()
  })
})

describe("a server that hangs", () => {
  it("is given up in time, and what it does later is undone", async () => {
    const [one, two] = [locksOn({}, { responseTimeout: 500 }), locksOn()]
    await (await one.acquire("warm")).release()
    await (await two.acquire("warm")).release()
    const processes = [server.pid, ...childrenOf(server.pid)]
    for (const pid of processes) process.kill(pid, "SIGSTOP")
    const start = performance.now()
    await expect(one.acquire("key")).rejects.toMatchObject({ code: "LOCK_STORE_FAILED" })
    expect(performance.now() - start).toBeLessThan(1_500)
    for (const pid of processes) process.kill(pid, "SIGCONT")
    const lease = await two.acquire("key")
    expect((await two.inspect()).map(({ holders }) => holders.length)).toEqual([1])
    await lease.release()
    // The next batch cancels what was given up, and may come after the late one was read.
    await expect.poll(() => two.inspect()).toEqual([])
  })

  it("does nothing of a batch that was given up, if it comes to it after the next one", async () => {
    const locks = locksOn()
    await (await locks.acquire("warm")).release()
    const ask = (turn: number, givenUp: number | null, seq?: number) => {
      const one = (value: unknown) => (seq === undefined ? [] : [value])
      const nothing = Array(11).fill([])
      const request = [1, "key", seq, "id", "id", 1_000, true, true].map(one)
      return run(`SELECT holdfast_lock.execute(${Array.from({ length: 26 }, (_, i) => `$${i + 1}`)})`, [
        ...["session", turn, givenUp, false, 0, ...nothing, ...request, [], []],
      ])
    }
    await ask(2, 1)
    await expect(ask(1, null, 7)).rejects.toMatchObject({ code: "HF002" })
    await ask(3, null, 8)
    expect((await locks.inspect()).length).toBe(1)
  })
})

describe("an answer that is lost", () => {
  it("grants for as long as its holder trusts it, when it is asked for again", async () => {
    await using proxy = await LossyProxy.open(server.port)
    const connectionString = server.url().replace(`:${server.port}/`, `:${proxy.port}/`)
    const [one, two, three] = [locksOn(), locksOn({}, { connectionString, responseTimeout: 500 }), locksOn()]
    const lease = await one.acquire("key")
    const heard = two.acquire("key", { renew: false })
    await expect.poll(async () => (await one.inspect())[0]?.waiters.length).toBe(1)
    proxy.loses = () => true
    await lease.release()
    await expect(two.tryAcquire("other")).rejects.toMatchObject({ code: "LOCK_STORE_FAILED" })
    proxy.loses = () => false
    const held = await heard
    await three.acquire("key")
    expect(held.loss).toBeDefined()
  })
})

describe("setting up", () => {
  it("may be done by many processes at once", async () => {
    const many = Array.from({ length: 12 }, () => locksOn())
    const jobs = many.map((locks) => locks.run("key", () => 1))
    expect(await Promise.all(jobs)).toEqual(many.map(() => 1))
  })

  it("tells a role that may not, which SQL to run, and works once that was run", async () => {
    await run("CREATE ROLE app LOGIN PASSWORD 'not for errors'")
    const connectionString = server.url().replace(/\/\/.*@/, "//app:not%20for%20errors@")
    const poor = locksOn({}, { connectionString })
    const failure = await poor.acquire("key").catch((error) => error)
    expect(failure).toMatchObject({ code: "LOCK_NOT_SET_UP" })
    await run(failure.sql)
    await run("GRANT USAGE ON SCHEMA holdfast_lock TO app")
    await run("GRANT ALL ON ALL TABLES IN SCHEMA holdfast_lock TO app")
    await run("GRANT ALL ON ALL SEQUENCES IN SCHEMA holdfast_lock TO app")
    expect(await (await poor.acquire("key")).release()).toBe(true)
  })

  it("puts no connection string and no password into an error", async () => {
    const address = server.url()
    const secret = new URL(address).password
    for (const connectionString of [
      address.replace(/:\d+\//, ":1/"),
      `${address}_missing`,
      `postgres://u:${secret}@[bad`,
    ]) {
      const failure = await locksOn({}, { connectionString })
        .acquire("key")
        .catch((error) => error)
      expect(failure.code).toMatch(/^LOCK_(STORE_FAILED|INVALID_ARGUMENT)$/)
      for (let error = failure; error; error = error.cause)
        expect([error.message, error.stack, JSON.stringify(error)].join()).not.toContain(secret)
    }
  })
})

describe("a pool", () => {
  it("of one that a job holds past the ttl costs no lease, since that is renewed over our own connection", async () => {
    const pool = new pg.Pool({ connectionString: server.url(), max: 1 })
    const locks = locksOn({ ttl: 600 }, { connectionString: undefined, pool })
    let renewals = 0
    const watched = new Locks(postgresStore({ pool, responseTimeout: 2_000 }), {
      ttl: 600,
      on: { renewed: () => renewals++ },
    })
    opened.push(watched)
    await watched.run("key", async () => {
      const only = await pool.connect()
      await only.query("SELECT 1")
      await expect.poll(() => renewals).toBeGreaterThan(5)
      await locks.run("other", () => 1)
      only.release()
    })
    await Promise.all(opened.splice(0).map((each) => each.close()))
    await pool.end()
  })

  it("of one serves 50 who want the same key, and is never held while they wait", async () => {
    const pool = new pg.Pool({ connectionString: server.url(), max: 1 })
    const locks = locksOn({ ttl: 20_000 }, { connectionString: undefined, pool })
    let inside = 0
    const jobs = Array.from({ length: 50 }, () =>
      locks.run("key", async () => {
        expect(++inside).toBe(1)
        await pool.query("SELECT 1")
        inside--
      }),
    )
    await Promise.all(jobs)
    expect(pool.totalCount).toBe(1)
    await Promise.all(opened.splice(0).map((each) => each.close()))
    await pool.end()
  })
})

async function run(text: string, values?: unknown[]): Promise<pg.QueryResult> {
  const client = new pg.Client({
    connectionString: server.url(),
    options: "-c default_transaction_read_only=off",
  })
  await client.connect()
  try {
    return await client.query(text, values)
  } finally {
    await client.end()
  }
}

describe("a server that takes no writes for a moment, as while it becomes the primary", () => {
  const database = async (settings: string) => run(`ALTER DATABASE postgres ${settings}`)
  const endOthers = () =>
    run(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname IS NOT NULL",
    )

  it.each(["connectionString", "pool"])("is asked again on another connection, by %s", async (by) => {
    const address = server.url()
    const pool = by === "pool" ? new pg.Pool({ connectionString: address, max: 3 }) : undefined
    pool?.on("error", () => undefined)
    const locks = locksOn({}, pool ? { connectionString: undefined, pool } : {})
    const lease = await locks.acquire("key", { ttl: 20_000 })
    const waiting = locks.acquire("key")
    waiting.catch(() => undefined)
    await expect.poll(async () => (await locks.inspect())[0]?.waiters.length).toBe(1)
    await database("SET default_transaction_read_only = on")
    await endOthers()
    await expect(locks.acquire("other")).rejects.toMatchObject({ code: "LOCK_STORE_FAILED" })
    // As many connections as the pool takes are made while the server is read-only, and stay so.
    if (pool) await Promise.all([1, 2, 3].map(() => pool.query("SELECT pg_sleep(0.1)")))
    await database("RESET default_transaction_read_only")
    expect(await (await locks.acquire("other")).release()).toBe(true)
    expect(await lease.release()).toBe(true)
    expect(await (await waiting).release()).toBe(true)
    await Promise.all(opened.splice(0).map((each) => each.close()))
    await pool?.end()
  })
})
