import pg from "pg"
import { afterEach, describe, expect, it } from "vitest"
import { fence } from "../src/fence.js"
import { LockSetupError, Locks } from "../src/index.js"
import { installSql, type PostgresOptions, postgresStore } from "../src/postgres/index.js"
import { query, server } from "./postgres-server.js"

const postgres = server()
const ROLE = "shop-app"
const opened: (() => Promise<unknown>)[] = []

afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close()
})

/** A schema that another role has made, and the address at which a role with no rights there logs in. */
async function foreignSpace() {
  const { schema, drop } = await postgres.space()
  const run = (text: string) => query(postgres.url(), text)
  await run(`${installSql(schema)}; CREATE ROLE "${ROLE}" LOGIN PASSWORD 'pw'`)
  opened.push(async () => {
    await drop()
    await run(`DROP OWNED BY "${ROLE}"; DROP ROLE "${ROLE}"`)
  })
  const url = new URL(postgres.url())
  Object.assign(url, { username: ROLE, password: "pw" })
  return { schema, run, connectionString: url.href }
}

function locksOn(options: PostgresOptions): Locks {
  const locks = new Locks(postgresStore(options))
  opened.push(() => locks.close())
  return locks
}

const failureOf = async (attempt: Promise<unknown>): Promise<LockSetupError> => {
  const failure = (await attempt.catch((error) => error)) as LockSetupError
  expect(failure).toBeInstanceOf(LockSetupError)
  expect(failure.message).toContain(ROLE)
  return failure
}

describe("a role without rights", () => {
  it.each(["connectionString", "pool"])(
    "gets the SQL to run, by %s, and is fine once it was run",
    async (by) => {
      const { schema, run, connectionString } = await foreignSpace()
      const pool = new pg.Pool({ connectionString })
      opened.push(() => pool.end())
      const locks = locksOn(by === "pool" ? { pool, schema } : { connectionString, schema })
      const failure = await failureOf(locks.acquire("key"))
      expect(failure.cause).toMatchObject({ code: "42501" })
      await run(failure.sql ?? "")
      await locks.run("key", () => undefined)
    },
  )

  it("gets it where only the tables lack a grant, or lose it later", async () => {
    const { schema, run, connectionString } = await foreignSpace()
    await run(`GRANT USAGE ON SCHEMA ${schema} TO "${ROLE}"`)
    const locks = locksOn({ connectionString, schema })
    const { sql = "" } = await failureOf(locks.acquire("key"))
    await run(sql)
    await locks.run("key", () => undefined)
    await run(`REVOKE ALL ON ALL TABLES IN SCHEMA ${schema} FROM "${ROLE}"`)
    await failureOf(locks.acquire("key"))
    await failureOf(locks.inspect())
    await failureOf(locks.forceRelease("key"))
  })

  it("gets it for the fence", async () => {
    const { schema, run, connectionString } = await foreignSpace()
    await run(`GRANT USAGE ON SCHEMA ${schema} TO "${ROLE}"`)
    const client = new pg.Client({ connectionString })
    await client.connect()
    opened.push(() => client.end())
    const failure = await fence(client, { key: 1n }, { schema }).catch((error) => error)
    expect(failure).toMatchObject({ code: "LOCK_NOT_SET_UP", sql: expect.stringContaining(`"${schema}"`) })
  })
})

it.each(["user", "order", "table", "select", "authorization"])(
  "takes %s for the name of a schema",
  async (schema) => {
    const connectionString = postgres.url()
    opened.push(() => query(connectionString, `DROP SCHEMA IF EXISTS "${schema}" CASCADE`))
    const locks = locksOn({ connectionString, schema })
    const lease = await locks.acquire(["a", "b"])
    const next = locks.acquire("b")
    await lease.release()
    await (await next).release()
    const client = new pg.Client({ connectionString })
    await client.connect()
    await fence(client, lease, { schema })
    await client.end()
  },
)

const REFUSED: [string, object | undefined][] = [
  ["nothing", undefined],
  ["neither", {}],
  ["an empty connectionString", { connectionString: "" }],
  ["no connectionString", { connectionString: null }],
  ["a connectionString of another kind", { connectionString: "redis://user:secret@localhost" }],
  ["no pool", { pool: null }],
  ["a pool that is none", { pool: {} }],
  ["porsager's postgres", { pool: Object.assign(() => undefined, { unsafe() {}, begin() {}, options: {} }) }],
  ["a client in place of a pool", { pool: new pg.Client() }],
  ["a client that is none", { client: new pg.Client() }],
  ["two ways to the server", { connectionString: "postgres://localhost", pool: new pg.Pool() }],
  ["a schema that is none", { connectionString: "postgres://localhost", schema: "a-b" }],
  ["no schema", { connectionString: "postgres://localhost", schema: null }],
  ["a responseTimeout of 0", { connectionString: "postgres://localhost", responseTimeout: 0 }],
  ["a responseTimeout that is none", { connectionString: "postgres://localhost", responseTimeout: "5s" }],
]
it.each(REFUSED)("refuses %s at once, and shows nothing that may be secret", (_, options) => {
  const attempt = () => postgresStore(options as never)
  expect(attempt).toThrow(expect.objectContaining({ code: "LOCK_INVALID_ARGUMENT" }))
  expect(attempt).not.toThrow("secret")
})
