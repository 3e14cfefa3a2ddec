import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import getPort from "get-port"
import pMap from "p-map"
import pg from "pg"
import { buildPackages, buildServer } from "../../apps/backend/launch/build.ts"
import { prepareDatabase } from "../../apps/backend/launch/database.ts"
import { backend, server } from "../../apps/backend/launch/paths.ts"
import { readSeeded, type Seeded } from "../../apps/backend/launch/seeded.ts"
import { type Shop, startShop } from "../../apps/backend/launch/shop.ts"
import { StoreClient } from "../../apps/backend/launch/shop-api/store-client.ts"
import { setStock } from "../../apps/backend/launch/stock.ts"
import { idleEnv, templateAdmin } from "../../apps/backend/launch/template.ts"
import type { Database } from "../servers.ts"
import { LOCKING_TABLE } from "./locking.ts"

const HOT = "LANTERN-FIRST"
const folder = join(backend, ".medusa", "bench")
const logs = join(tmpdir(), "holdfast-bench-shops")

export interface Prepared {
  readonly database: string
  readonly cartIds: readonly string[]
  readonly seeded: Seeded
}

export interface PreparedShop {
  readonly database: string
  readonly databaseUrl: string
  readonly seeded: Seeded
}

/** Builds the shop, and makes a database that is migrated and seeded. */
export async function prepareShop(
  postgres: Database,
  say: (progress: string) => void,
): Promise<PreparedShop> {
  await buildPackages()
  await buildServer()
  const database = "shop"
  const databaseUrl = await postgres.server.createDatabase(database)
  say("migrating and seeding a shop")
  const logFile = join(logs, "database.log")
  await prepareDatabase({ databaseUrl, admin: templateAdmin, env: idleEnv, logFile, remedy: "" })
  return { database, databaseUrl, seeded: await readSeeded(databaseUrl) }
}

/** Makes a shop's database with `count` carts of the same item, each ready to be completed. */
export async function prepareCarts(
  postgres: Database,
  count: number,
  say: (progress: string) => void,
): Promise<Prepared> {
  const { database, databaseUrl, seeded } = await prepareShop(postgres, say)
  layOut()
  await prepareRows(databaseUrl, seeded)
  say(`preparing ${count} carts`)
  const shop = await openShopWithLocking(databaseUrl, [])
  const store = new StoreClient(shop.url, seeded)
  const prepareOne = async (i: number) => {
    const lines = [{ sku: HOT, quantity: 1 }]
    const email = `buyer${i}@shop.example`
    return (await store.checkOut({ lines, email, paymentProvider: "pp_system_default" })).cartId
  }
  const cartIds = await pMap(Array(count).keys(), prepareOne, { concurrency: 4 })
  await shop.stop()
  return { database, cartIds, seeded }
}

/** Stock for every cart, a payment provider without Stripe, and the table of Medusa's Postgres locks. */
async function prepareRows(databaseUrl: string, { regions, variants }: Seeded): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  await client.query(
    `INSERT INTO region_payment_provider (region_id, payment_provider_id, id)
       VALUES ($1, 'pp_system_default', 'regpp_bench')`,
    [regions.usd?.id],
  )
  await setStock(client, variants[HOT]?.inventoryItemId ?? "", 100_000)
  await client.query(LOCKING_TABLE)
  await client.end()
}

/** Lays out the built shop so that it reads the providers of its Locking Module from an environment variable. */
function layOut(): void {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  for (const name of readdirSync(server))
    if (name !== "medusa-config.js") symlinkSync(join(server, name), join(folder, name))
  writeFileSync(
    join(folder, "medusa-config.js"),
    `const { default: config } = require("../server/medusa-config.js")
const providers = JSON.parse(process.env.BENCH_LOCKING)
config.modules.locking = { ...config.modules.locking, options: { providers } }
module.exports = config
`,
  )
}

export function openShopWithLocking(databaseUrl: string, providers: object[]): Promise<Shop> {
  return openShop(databaseUrl, { BENCH_LOCKING: JSON.stringify(providers) }, folder)
}

/** Starts the built shop without its admin, and waits until it answers. */
export async function openShop(
  databaseUrl: string,
  env: Record<string, string>,
  folder = server,
): Promise<Shop> {
  const port = await getPort()
  const logFile = join(logs, `${port}.log`)
  const all = { ...idleEnv, DISABLE_MEDUSA_ADMIN: "true", ...env }
  const shop = startShop({ databaseUrl, port, logFile, env: all, folder })
  await shop.ready
  return shop
}

/** The CPU time of a process, in ms. */
export function cpuOf(pid: number): number {
  const { user, system } = timesOf(pid)
  return user + system
}

/** The CPU time of a server and all its processes, those that have ended included, in ms. */
export function cpuOfServer(pid: number): number {
  const { user, system, ended } = timesOf(pid)
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ")
  return children
    .filter(Boolean)
    .reduce((sum, child) => sum + cpuIfAlive(Number(child)), user + system + ended)
}

/** A process that ended just now is among its parent's ended ones, next time. */
function cpuIfAlive(pid: number): number {
  try {
    return cpuOf(pid)
  } catch {
    return 0
  }
}

const TICK_MS = 10

function timesOf(pid: number) {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8")
  const ticks = /\)(?: \S+){11} (\d+) (\d+) (\d+) (\d+)/.exec(stat)?.slice(1).map(Number) ?? []
  const [user = 0, system = 0, endedUser = 0, endedSystem = 0] = ticks.map((it) => it * TICK_MS)
  return { user, system, ended: endedUser + endedSystem }
}
