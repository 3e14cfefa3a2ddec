import { randomBytes } from "node:crypto"
import { asValue } from "@medusajs/framework/awilix"
import { knex } from "@medusajs/framework/mikro-orm/postgresql"
import { ContainerRegistrationKeys, createMedusaContainer, ModulesSdkUtils } from "@medusajs/framework/utils"
import pg from "pg"
import { afterAll, beforeAll, expect, inject, it } from "vitest"
import postgres from "../src/postgres.js"
import { HoldfastLockingProvider } from "../src/provider.js"
import { startMedusa } from "./medusa.js"
import { holdfast } from "./stores.js"

/** A database of Medusa's, with nothing in it. */
const name = `shop_${randomBytes(6).toString("hex")}`
const url = Object.assign(new URL(inject("lockPostgresUrl")), { pathname: name }).href
const admin = new pg.Pool({ connectionString: inject("lockPostgresUrl") })
beforeAll(async () => {
  await admin.query(`CREATE DATABASE ${name}`)
})
afterAll(async () => {
  await admin.query(`DROP DATABASE ${name} WITH (FORCE)`)
  await admin.end()
})

/** Our connections to that database. */
async function connections(): Promise<number> {
  const { rows } = await admin.query(
    "SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = $1 AND application_name = 'holdfast lock'",
    [name],
  )
  return rows[0].n
}

/** The provider as Medusa loads it where it is given no options, with the pool that Medusa has made. */
async function load(pool: unknown) {
  const container = createMedusaContainer()
  container.register({
    [ContainerRegistrationKeys.PG_CONNECTION]: asValue(pool),
    [ContainerRegistrationKeys.LOGGER]: asValue(console),
  })
  await postgres.loaders?.[0]?.({ container, options: {} } as never)
  return new HoldfastLockingProvider(container.cradle as never)
}

it("without options, locks in Medusa's database, by Medusa's settings, and installs itself on the new one", async () => {
  const pool = ModulesSdkUtils.createPgConnection({
    clientUrl: url,
    driverOptions: { connection: { ssl: false } },
  })
  // db:migrate loads the provider too, and locks nothing.
  await load(pool)
  expect(await connections()).toBe(0)

  const [one, other] = await Promise.all([load(pool), load(pool)])
  await Promise.all([one.acquire("a", { ownerId: "anna" }), other.acquire("b", { ownerId: "ben" })])
  await expect(other.acquire("a", { ownerId: "ben" })).rejects.toThrow("Failed to acquire")
  expect(await connections()).toBe(2)
  await Promise.all([one.close(), other.close()])
  await expect.poll(connections).toBe(0)

  const later = await load(pool)
  expect(await later.release("a", { ownerId: "anna" })).toBe(true)
  await later.close()
  await pool.destroy()
})

it("asks for a password each time it connects, where Medusa's pool does", async () => {
  const { username: user, password, hostname: host, port } = new URL(url)
  let asked = 0
  const connection = {
    host,
    port: Number(port),
    user,
    database: name,
    async password() {
      asked++
      return password
    },
  }
  const pool = knex({ client: "pg", connection })
  const provider = await load(pool)
  await provider.acquire("c")
  expect(asked).toBe(1)
  await provider.close()
  await pool.destroy()
})

it("holds no connection for a lock or for who waits: one serves all", async () => {
  const config = holdfast("postgres")
  const { locking, stop } = await startMedusa({ ...config, options: { ...config.options, databaseUrl: url } })
  let most = 0
  const job = async () => {
    most = Math.max(most, await connections())
  }
  const keys = ["a", "b", "c", "d"]
  await Promise.all(
    Array.from({ length: 40 }, (_, i) => locking.execute(keys[i % 4] ?? "", job, { timeout: 30 })),
  )
  expect(most).toBe(1)
  await stop()
  await expect.poll(connections).toBe(0)
})

it("says so where there is no database of Medusa's", async () => {
  const provider = await load(undefined)
  await expect(provider.acquire("key")).rejects.toThrow('finds no database of Medusa\'s: set "databaseUrl"')
})
