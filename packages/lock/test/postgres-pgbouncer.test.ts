import assert from "node:assert/strict"
import pg from "pg"
import { describe, expect, it } from "vitest"
import { Locks } from "../src/index.js"
import { type PostgresOptions, postgresStore } from "../src/postgres/index.js"
import { fetchPgBouncer, startPgBouncer } from "./pgbouncer.js"
import { server } from "./postgres-server.js"

const missing = fetchPgBouncer()
const postgres = server()

describe.each(["session", "transaction"] as const)(
  "behind PgBouncer in %s mode",
  { skip: missing !== undefined, timeout: 60_000 },
  (mode) => {
    it.each(["a connection string", "a pool of one"])(
      "excludes, hands off and cleans up, by %s",
      async (way) => {
        const { schema, drop } = await postgres.space()
        const bouncer = await startPgBouncer(postgres.url(), mode)
        const { connectionString } = bouncer
        const pool = new pg.Pool({ connectionString, max: 1 })
        const options: PostgresOptions =
          way === "a pool of one" ? { pool, schema } : { connectionString, schema }
        const processes = [new Locks(postgresStore(options)), new Locks(postgresStore(options))]
        const defaults = { timeout: 20_000, ttl: 20_000 }
        let inside = 0
        const jobs = Array.from({ length: 20 }, (_, i) =>
          (processes[i % 2] ?? assert.fail()).run(
            ["key", `other ${i % 3}`],
            async () => {
              expect(++inside).toBe(1)
              await new Promise((resolve) => setImmediate(resolve))
              inside--
            },
            defaults,
          ),
        )
        await Promise.all(jobs)
        expect(await processes[0]?.inspect()).toEqual([])
        await Promise.all(processes.map((locks) => locks.close()))
        await pool.end()
        await bouncer.stop()
        await drop()
      },
    )
  },
)

it.runIf(missing)(`skipped: ${missing}`, (context) => context.skip(missing))
