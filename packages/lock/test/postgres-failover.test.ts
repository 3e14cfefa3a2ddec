import { execFileSync } from "node:child_process"
import { randomBytes } from "node:crypto"
import { rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type LocalPostgres, startPostgres, unsafeFastSettings } from "@holdfast/postgres-local"
import pg from "pg"
import { afterAll, beforeAll, expect, it } from "vitest"
import { Locks } from "../src/index.js"
import { postgresStore } from "../src/postgres/index.js"

const run = randomBytes(6).toString("hex")
const [ofPrimary, ofStandby] = [folder("primary"), folder("standby")]
let primary: LocalPostgres
let standby: LocalPostgres
/** Who is asked: what a name in DNS or a virtual address would say. */
let current: LocalPostgres

beforeAll(async () => {
  // The standby begins as a copy of the primary's files, and goes on by streaming.
  await (await startPostgres({ dataDir: ofPrimary, settings: unsafeFastSettings })).stop()
  execFileSync("cp", ["-a", ofPrimary, ofStandby])
  writeFileSync(join(ofStandby, "standby.signal"), "")
  primary = await startPostgres({ dataDir: ofPrimary, settings: unsafeFastSettings })
  const { password } = new URL(primary.url())
  const primary_conninfo = `host=127.0.0.1 port=${primary.port} user=postgres password=${password}`
  standby = await startPostgres({
    dataDir: ofStandby,
    settings: { ...unsafeFastSettings, primary_conninfo },
  })
  current = primary
}, 60_000)
afterAll(async () => {
  await Promise.all([primary?.stop(), standby?.stop()])
  for (const dataDir of [ofPrimary, ofStandby]) rmSync(dataDir, { recursive: true, force: true })
}, 60_000)

function folder(role: string): string {
  return join(tmpdir(), `holdfast-failover-${run}-${role}`)
}

function locksOnCurrent(): Locks {
  const client = () => new pg.Client({ connectionString: current.url() })
  return new Locks(postgresStore({ client, responseTimeout: 2_000 }), { ttl: 2_000, timeout: 30_000 })
}

async function ask<T>(server: LocalPostgres, sql: string): Promise<T> {
  const client = new pg.Client({ connectionString: server.url() })
  await client.connect()
  const { rows } = await client.query({ text: sql, rowMode: "array" })
  await client.end()
  return rows[0]?.[0]
}

it("a failover to a standby doubles no lease and sets no token back, and who waits is served after it", async () => {
  const [one, two] = [locksOnCurrent(), locksOnCurrent()]
  const before = await one.acquire("key")
  const lost = new Promise<number>((resolve) =>
    before.signal.addEventListener("abort", () => resolve(performance.now())),
  )
  const waiting = two.acquire("key").then((lease) => ({ lease, at: performance.now() }))
  await expect.poll(async () => (await one.inspect())[0]?.waiters.length).toBe(1)
  const written = await ask<string>(primary, "SELECT pg_current_wal_lsn()")
  await expect.poll(() => ask(standby, `SELECT pg_last_wal_replay_lsn() >= '${written}'`)).toBe(true)

  process.kill(primary.pid, "SIGKILL")
  expect(await ask(standby, "SELECT pg_promote()")).toBe(true)
  current = standby

  const after = await waiting
  expect(after.at).toBeGreaterThan(await lost)
  expect(after.lease.token).toBeGreaterThan(before.token)
  expect(await after.lease.release()).toBe(true)
  await Promise.all([one.close(), two.close()])
}, 60_000)
