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

/** Makes a shop's database with `count` carts of the same item, each ready to be completed. */
export async function prepareCarts(
  postgres: Database,
  count: number,
  say: (progress: string) => void,
): Promise<Prepared> {
  await buildPackages()
  await buildServer()
  layOut()
  const database = "shop"
  const databaseUrl = await postgres.server.createDatabase(database)
  say("migrating and seeding a shop")
  const logFile = join(logs, "database.log")
  await prepareDatabase({ databaseUrl, admin: templateAdmin, env: idleEnv, logFile, remedy: "" })
  const seeded = await readSeeded(databaseUrl)
  await prepareRows(databaseUrl, seeded)
  say(`preparing ${count} carts`)
  const shop = await openShop(databaseUrl, [])
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

export async function openShop(databaseUrl: string, providers: object[]): Promise<Shop> {
  const port = await getPort()
  const env = { ...idleEnv, DISABLE_MEDUSA_ADMIN: "true", BENCH_LOCKING: JSON.stringify(providers) }
  const shop = startShop({ databaseUrl, port, logFile: join(logs, `${port}.log`), env, folder })
  await shop.ready
  return shop
}

/** The CPU time of a process, in ms. */
export function cpuOf(pid: number): number {
  const [, user, system] = /\)(?: \S+){11} (\d+) (\d+)/.exec(readFileSync(`/proc/${pid}/stat`, "utf8")) ?? []
  return (Number(user) + Number(system)) * 10
}
