import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import pg from "pg"
import { describe, expect, it } from "vitest"
import { Locks } from "../src/index.js"
import { installSql, postgresStore } from "../src/postgres/index.js"
import { VERSION } from "../src/postgres/migrations.js"
import { exerciseStore } from "../src/testing/index.js"
import { isNightly } from "./nightly.js"
import { server } from "./postgres-server.js"

const postgres = server()

describe("postgresStore", () => {
  exerciseStore({
    describe,
    it,
    async open() {
      const { schema, connectionString, drop } = await postgres.space()
      return { store: () => postgresStore({ connectionString, schema }), close: drop }
    },
  })
})

it("connects with a client that it is given, and ends it", async () => {
  const { schema, connectionString, drop } = await postgres.space()
  const clients: pg.Client[] = []
  const client = () => {
    clients.push(new pg.Client({ connectionString, application_name: "my own" }))
    return clients[0] as pg.Client
  }
  const locks = new Locks(postgresStore({ client, schema }))
  await locks.acquire("key")
  const ended = new Promise<void>((resolve) => clients[0]?.on("end", () => resolve()))
  await locks.close()
  await ended
  await drop()
})

it("reads its answers right, though the application has set type parsers of its own", async () => {
  const { schema, connectionString, drop } = await postgres.space()
  const types = [16, 20, 21, 23, 26, 701]
  const parsers = types.map((type) => [type, pg.types.getTypeParser(type)] as const)
  for (const type of types) pg.types.setTypeParser(type, (text: string) => `parsed ${text}`)
  for (const type of [20, 23]) pg.types.setTypeParser(type, (text: string) => BigInt(text))
  try {
    const [one, two] = [1, 2].map(() => new Locks(postgresStore({ connectionString, schema })))
    const lease = await one?.acquire("key")
    expect(await two?.forceRelease("key")).toBe(true)
    expect(await two?.forceRelease("key")).toBe(false)
    await expect.poll(() => lease?.loss?.code).toBe("LOCK_LOST")
    await Promise.all([one?.close(), two?.close()])
  } finally {
    for (const [type, parser] of parsers) pg.types.setTypeParser(type, parser)
    await drop()
  }
})

it("takes one way to the server, and no two", () => {
  const client = () => new pg.Client()
  expect(() => postgresStore({})).toThrow("one of them")
  expect(() => postgresStore({ client, connectionString: "postgres://localhost" })).toThrow("one of them")
})

describe("the version of its schema", () => {
  async function spaceOf(version: number) {
    const { schema, connectionString, drop } = await postgres.space()
    const client = new pg.Client({ connectionString })
    await client.connect()
    await client.query(installSql(schema))
    const set = `CREATE OR REPLACE FUNCTION ${schema}.version() RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT ${version}'`
    await client.query(set)
    const locks = new Locks(postgresStore({ connectionString, schema }))
    const end = async () => {
      await locks.close()
      await client.end()
      await drop()
    }
    return { schema, client, locks, end }
  }

  /** What makes up a schema, for a comparison. */
  async function described(client: pg.Client, schema: string): Promise<string[]> {
    const { rows } = await client.query(
      `SELECT format('column %s.%s %s %s', table_name, column_name, data_type, is_nullable) AS line
         FROM information_schema.columns WHERE table_schema = $1
       UNION ALL SELECT replace(indexdef, $1 || '.', '') FROM pg_indexes WHERE schemaname = $1
       UNION ALL SELECT format('function %s(%s) %s', proname, pg_get_function_arguments(oid), md5(regexp_replace(replace(prosrc, $1, ''), 'xact_lock\\(-?[0-9]+', '')))
         FROM pg_proc WHERE pronamespace = to_regnamespace($1)
       UNION ALL SELECT format('trigger %s', tgname) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
         WHERE c.relnamespace = to_regnamespace($1)
       ORDER BY 1`,
      [schema],
    )
    return rows.map(({ line }) => line)
  }

  it.each(isNightly ? [1, 2, 3, 4, 5, 6] : [1, 5, 6])(
    "is upgraded from version %i to what a new one is, with what is held",
    async (version) => {
      const [old, fresh] = [await postgres.space(), await postgres.space()]
      const client = new pg.Client({ connectionString: old.connectionString })
      await client.connect()
      const ddl = readFileSync(new URL(`schemas/version-${version}.sql`, import.meta.url), "utf8")
      await client.query(ddl.replaceAll("holdfast_lock", old.schema))
      await client.query(`
      UPDATE ${old.schema}.horizon SET ttl = 60000, number = 5000000;
      SELECT ${old.schema}.recover(0);
      SELECT setval('${old.schema}.number', 4000000);
      INSERT INTO ${old.schema}.queue (key, waits, number, token, lease, claimed, due, since, ttl, lasting, several, session, seq, id, owner)
        VALUES ('key', false, 3000000, 3000000, 3000000, true, 'Infinity', 0, 60000, false, false, 'old', 1, 'id', 'id')`)
      const recovering = version < 5 ? "barred_until" : "recovering_until"
      await client.query(`UPDATE ${old.schema}.epoch SET ${recovering} = NULL`)
      const locks = [old, fresh].map(
        ({ connectionString, schema }) => new Locks(postgresStore({ connectionString, schema })),
      )
      expect(await locks[0]?.tryAcquire("key")).toBe(null)
      expect(await locks[0]?.releaseById("id", "key")).toBe(true)
      await locks[0]?.run("key", ({ token }) => expect(token).toBeGreaterThan(4_000_000n))
      await locks[1]?.run("key", () => 1)
      expect(await described(client, old.schema)).toEqual(await described(client, fresh.schema))
      expect((await client.query(`SELECT ${old.schema}.version()`)).rows).toEqual([{ version: VERSION }])
      await Promise.all(locks.map((each) => each.close()))
      await client.end()
      await Promise.all([old.drop(), fresh.drop()])
    },
  )

  it("says what to do to a process whose functions a newer one has replaced", async () => {
    const { schema, client, locks, end } = await spaceOf(VERSION)
    await (await locks.acquire("key")).release()
    await client.query(`DROP FUNCTION ${schema}.acquire_one`)
    await client.query(
      `CREATE OR REPLACE FUNCTION ${schema}.version() RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT ${VERSION + 1}'`,
    )
    await expect(locks.acquire("key")).rejects.toMatchObject({
      code: "LOCK_NOT_SET_UP",
      message: expect.stringContaining("bring @holdfast/lock up to date, and restart"),
    })
    await end()
  })

  it("is not set back by the SQL of an older version", async () => {
    const { schema, client, end } = await spaceOf(VERSION + 1)
    await expect(client.query(installSql(schema))).rejects.toMatchObject({ code: "HF003" })
    await end()
  })

  it("is made anew under a process that runs, where it was dropped", async () => {
    const { schema, client, locks, end } = await spaceOf(VERSION)
    await (await locks.acquire("key")).release()
    await client.query(`DROP SCHEMA ${schema} CASCADE`)
    expect(await (await locks.acquire("key")).release()).toBe(true)
    await end()
  })

  it("is left alone where it is newer, with what to do about it", async () => {
    const { locks, end } = await spaceOf(VERSION + 1)
    const refused = {
      code: "LOCK_NOT_SET_UP",
      message: expect.stringContaining("bring @holdfast/lock up to date"),
    }
    await expect(locks.acquire("key")).rejects.toMatchObject(refused)
    await end()
  })

  it("changes with every change of its SQL", () => {
    const digest = createHash("sha256").update(installSql()).digest("hex").slice(0, 16)
    expect({ VERSION, digest }, "A new VERSION in migrations.ts, and then its digest here").toEqual({
      VERSION: 7,
      digest: "a73b6fb099fbaebe",
    })
  })
})
