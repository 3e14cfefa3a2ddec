import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { administer } from "@holdfast/postgres-local"
import getPort from "get-port"
import { inject } from "vitest"
import { readSeeded } from "../../launch/seeded.ts"
import { type Shop, startShop } from "../../launch/shop.ts"
import { idleEnv, TEMPLATE } from "../../launch/template.ts"

let made = 0

export const urlOf = (database = "postgres") =>
  Object.assign(new URL(inject("postgresUrl")), { pathname: database }).href

/** A copy of the seeded database. */
export async function createDatabase() {
  const { url, drop } = await createEmptyDatabase(TEMPLATE)
  return { url, seeded: await readSeeded(url), drop }
}

export async function createEmptyDatabase(template?: string) {
  const postgres = administer(urlOf)
  const name = `test_${process.pid}_${made++}`
  return { url: await postgres.createDatabase(name, { template }), drop: () => postgres.dropDatabase(name) }
}

const running = new Set<Shop>()
let logs: string | undefined

/** Starts the shop without its admin, on a free port; await `ready` before the first request. */
export async function openShop(
  databaseUrl: string,
  env: Record<string, string> = {},
  port?: number,
): Promise<Shop> {
  port ??= await getPort()
  logs ??= mkdtempSync(join(tmpdir(), "holdfast-logs-"))
  const logFile = join(logs, `${port}.log`)
  const shop = startShop({
    databaseUrl,
    port,
    logFile,
    env: { ...idleEnv, DISABLE_MEDUSA_ADMIN: "true", ...env },
  })
  running.add(shop)
  shop.exited.then(() => running.delete(shop))
  return shop
}

/** For afterAll: ends shops that a failed test left running. */
export async function closeShops() {
  await Promise.all([...running].map((shop) => shop.kill("SIGKILL")))
  if (logs) rmSync(logs, { recursive: true, force: true })
}
