import { createHash } from "node:crypto"
import pg from "pg"
import { describe, expect, it } from "vitest"
import { Locks } from "../src/index.js"
import { installSql, postgresStore } from "../src/postgres/index.js"
import { VERSION } from "../src/postgres/tables.js"
import { exerciseStore } from "../src/testing/index.js"
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

it("reads its answers right, whatever parsers of types the application has set", async () => {
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

  it("is brought up to date where it is older", async () => {
    const { schema, client, locks, end } = await spaceOf(1)
    await client.query(`DROP FUNCTION ${schema}.release_one`)
    await (await locks.acquire("key")).release()
    expect((await client.query(`SELECT ${schema}.version()`)).rows).toEqual([{ version: VERSION }])
    await end()
  })

  it("is upgraded from version 4 with what is held", async () => {
    const { schema, client, locks, end } = await spaceOf(4)
    expect(await locks.acquireById("id", "key")).toBeTypeOf("bigint")
    await client.query(`
      ALTER TABLE ${schema}.session RENAME COLUMN wake_at TO ask_at;
      ALTER INDEX ${schema}.session_wake_at RENAME TO session_ask_at;
      ALTER TABLE ${schema}.epoch RENAME COLUMN recovering_until TO barred_until;
      DROP FUNCTION ${schema}.release_one;
      CREATE FUNCTION ${schema}.release_one(asker text, this_turn bigint, target text, lease_id text, held_token bigint)
        RETURNS text LANGUAGE sql AS 'SELECT NULL::text';
      CREATE FUNCTION ${schema}.told(asker text, is_waiting boolean) RETURNS void LANGUAGE sql AS '';
      CREATE OR REPLACE FUNCTION ${schema}.version() RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT 4'`)
    const newer = new Locks(postgresStore({ connectionString: postgres.url(), schema }))
    expect(await newer.tryAcquire("key")).toBe(null)
    expect(await newer.releaseById("id", "key")).toBe(true)
    const { rows } = await client.query(
      "SELECT proname FROM pg_proc WHERE proname = 'told' AND pronamespace = $1::regnamespace",
      [schema],
    )
    expect(rows).toEqual([])
    await newer.close()
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
    expect({ VERSION, digest }, "A new VERSION in tables.ts, and then its digest here").toEqual({
      VERSION: 5,
      digest: "85dec1854de61969",
    })
  })
})
