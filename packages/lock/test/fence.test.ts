import { MikroORM } from "@mikro-orm/postgresql"
import knexOf from "knex"
import pg from "pg"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { fence, installFence, type Transaction } from "../src/fence.js"
import { Locks } from "../src/index.js"
import { memoryStore } from "../src/memory.js"
import { query, server } from "./postgres-server.js"

const postgres = server()
const schema = "fence_test"
let pool: pg.Pool
beforeAll(async () => {
  pool = new pg.Pool({ connectionString: postgres.url() })
  await installFence(pool, { schema })
})
afterAll(async () => {
  await pool.end()
  await query(postgres.url(), `DROP SCHEMA IF EXISTS ${schema} CASCADE`)
})

const fenced = expect.objectContaining({ code: "LOCK_FENCED" })

/** A transaction of each kind, which is rolled back where `body` throws. */
const KINDS: Record<string, (body: (transaction: Transaction) => Promise<void>) => Promise<void>> = {
  async pg(body) {
    const client = await pool.connect()
    try {
      await client.query("BEGIN")
      await body(client)
      await client.query("COMMIT")
    } catch (error) {
      await client.query("ROLLBACK")
      throw error
    } finally {
      client.release()
    }
  },
  async knex(body) {
    const knex = knexOf({ client: "pg", connection: postgres.url() })
    try {
      await knex.transaction((transaction) => body(transaction))
    } finally {
      await knex.destroy()
    }
  },
  async MikroORM(body) {
    const discovery = { warnWhenNoEntities: false }
    const orm = await MikroORM.init({ clientUrl: postgres.url(), entities: [], discovery })
    try {
      await orm.em.fork().transactional((em) => body(em))
    } finally {
      await orm.close()
    }
  },
  async "a function"(body) {
    await KINDS.pg?.((client) =>
      body(async (sql, parameters) => (await (client as pg.PoolClient).query(sql, parameters)).rows),
    )
  },
}

for (const [kind, transact] of Object.entries(KINDS)) {
  describe(`the fence in a transaction of ${kind}`, () => {
    it("lets a newer token pass, the same again, and refuses an older one", async () => {
      const key = `${kind} in order`
      await transact((tx) => fence(tx, { [key]: 5n }, { schema }))
      await transact((tx) => fence(tx, { [key]: 5n }, { schema }))
      await transact((tx) => fence(tx, { [key]: 7n }, { schema }))
      const late = transact((tx) => fence(tx, { [key]: 6n }, { schema }))
      await expect(late).rejects.toMatchObject({ code: "LOCK_FENCED", key, token: 6n, newest: 7n })
    })

    it("remembers nothing of a transaction that was rolled back", async () => {
      const key = `${kind} rolled back`
      const failing = transact(async (tx) => {
        await fence(tx, { [key]: 9n }, { schema })
        throw new RangeError("the write's own")
      })
      await expect(failing).rejects.toThrow(RangeError)
      await transact((tx) => fence(tx, { [key]: 8n }, { schema }))
    })
  })
}

describe("the fence", () => {
  it("checks each key of a lease by the key's own token", async () => {
    const locks = new Locks(memoryStore())
    const outer = await locks.acquire("a", { owner: "owner" })
    await (await locks.acquire("b")).release()
    const both = await locks.acquire(["a", "b"], { owner: "owner" })
    expect(both.tokenOf("a")).toBeLessThan(both.tokenOf("b"))
    await KINDS.pg?.((tx) => fence(tx, { a: both.tokenOf("a"), b: both.tokenOf("b") - 1n }, { schema }))
    await KINDS.pg?.((tx) => fence(tx, both, { schema }))
    await KINDS.pg?.((tx) => fence(tx, outer, { schema }))
    await KINDS.pg?.((tx) => fence(tx, { b: both.tokenOf("b") + 1n }, { schema }))
    const late = KINDS.pg?.((tx) => fence(tx, both, { schema }))
    await expect(late).rejects.toMatchObject({ code: "LOCK_FENCED", key: "b" })
    await locks.close()
  })

  it("makes an older writer wait for a newer one that has not committed, and refuses it then", async () => {
    const [newer, older] = [await pool.connect(), await pool.connect()]
    await newer.query("BEGIN")
    await older.query("BEGIN")
    await fence(newer, { race: 2n }, { schema })
    const late = expect(fence(older, { race: 1n }, { schema })).rejects.toEqual(fenced)
    await blocked(older)
    await newer.query("COMMIT")
    await late
    await older.query("ROLLBACK")
    for (const client of [newer, older]) client.release()
  })

  it("makes a newer writer wait for an older one, so that the older write is not the last", async () => {
    const [newer, older] = [await pool.connect(), await pool.connect()]
    await newer.query("BEGIN")
    await older.query("BEGIN")
    await fence(older, { "race 2": 1n }, { schema })
    const next = fence(newer, { "race 2": 2n }, { schema })
    await blocked(newer)
    await older.query("COMMIT")
    await next
    await newer.query("COMMIT")
    for (const client of [newer, older]) client.release()
  })

  it("keeps long keys apart, and any Unicode", async () => {
    const keys = [
      "鍵".repeat(1_023),
      `${"鍵".repeat(1_022)}k`,
      "🔑",
      "é",
      "e\u0301",
      "?",
      "$1",
      "'",
      '"',
      "\\",
      ":k",
    ]
    await KINDS.pg?.((tx) => fence(tx, Object.fromEntries(keys.map((key) => [key, 3n])), { schema }))
    await KINDS.MikroORM?.((tx) => fence(tx, Object.fromEntries(keys.map((key) => [key, 3n])), { schema }))
    for (const key of keys) {
      await KINDS.knex?.((tx) => fence(tx, { [key]: 4n }, { schema }))
      await expect(KINDS.knex?.((tx) => fence(tx, { [key]: 3n }, { schema }))).rejects.toEqual(fenced)
    }
  })

  it("refuses what is no transaction, and tells where its table is missing", async () => {
    const knex = knexOf({ client: "pg", connection: postgres.url() })
    const orm = await MikroORM.init({
      clientUrl: postgres.url(),
      entities: [],
      discovery: { warnWhenNoEntities: false },
    })
    for (const alone of [pool, knex, orm.em.fork(), {}])
      await expect(fence(alone as Transaction, { key: 1n }, { schema })).rejects.toMatchObject({
        code: "LOCK_INVALID_ARGUMENT",
      })
    await Promise.all([knex.destroy(), orm.close()])
    const missing = KINDS.pg?.((tx) => fence(tx, { key: 1n }, { schema: "nowhere" }))
    await expect(missing).rejects.toMatchObject({
      code: "LOCK_NOT_SET_UP",
      sql: expect.stringContaining('"nowhere".fence'),
    })
  })
})

/** Resolves when `client`'s statement waits for a lock. */
async function blocked(client: pg.PoolClient): Promise<void> {
  const { processID } = client as unknown as { processID: number }
  const text = "SELECT FROM pg_locks WHERE pid = $1 AND NOT granted"
  while ((await pool.query(text, [processID])).rowCount === 0)
    await new Promise((resolve) => setTimeout(resolve, 5))
}
