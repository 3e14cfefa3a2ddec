import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { administer } from "@holdfast/postgres-local"
import getPort from "get-port"
import { inject } from "vitest"
import { runMedusa, startMedusa } from "../../launch/medusa.ts"
import { server } from "../../launch/paths.ts"
import { tail } from "../../launch/processes.ts"
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

/** Makes the tables of the plugins that only `env` asks for, which the seeded database lacks. */
export function migrate(databaseUrl: string, env: Record<string, string>): Promise<void> {
  return runMedusa("Migrating the database", ["db:migrate", "--skip-scripts", "--execute-safe-links"], {
    cwd: server,
    logFile: logFileOf("migrate"),
    env: { ...idleEnv, DISABLE_MEDUSA_ADMIN: "true", ...env, DATABASE_URL: databaseUrl },
  })
}

const running = new Set<Pick<Shop, "kill">>()
let logs: string | undefined

function logFileOf(process: string): string {
  logs ??= mkdtempSync(join(tmpdir(), "holdfast-logs-"))
  return join(logs, `${process}.log`)
}

/** Starts the shop without its admin, on a free port; await `ready` before the first request. */
export async function openShop(
  databaseUrl: string,
  env: Record<string, string> = {},
  port?: number,
): Promise<Shop> {
  port ??= await getPort()
  const logFile = logFileOf(String(port))
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

export interface Script {
  pid: number
  /** What it wrote, when it has ended well. */
  finished: Promise<string>
  kill(signal: NodeJS.Signals): Promise<void>
}

let scripts = 0

/** Runs a script of this folder by `medusa exec`, in a process of its own beside the shop's. */
export function openScript(
  databaseUrl: string,
  env: Record<string, string>,
  file: string,
  args: string[],
): Script {
  const logFile = logFileOf(`script-${scripts++}`)
  const child = startMedusa(["exec", file, ...args], {
    cwd: server,
    logFile,
    env: { ...idleEnv, DISABLE_MEDUSA_ADMIN: "true", ...env, DATABASE_URL: databaseUrl },
  })
  const exited = new Promise<number | null>((resolve) => {
    child.once("error", () => resolve(1)).once("exit", resolve)
  })
  const finished = exited.then((code) => {
    if (code !== 0) throw new Error(`The script ended with ${code}.\n${tail(logFile)}`)
    return readFileSync(logFile, "utf8")
  })
  finished.catch(() => {})
  const kill = async (signal: NodeJS.Signals) => {
    child.kill(signal)
    await exited
  }
  const script = { pid: child.pid ?? 0, finished, kill }
  running.add(script)
  exited.then(() => running.delete(script))
  return script
}

/** For afterAll: ends shops that a failed test left running. */
export async function closeShops() {
  await Promise.all([...running].map((shop) => shop.kill("SIGKILL")))
  if (logs) rmSync(logs, { recursive: true, force: true })
  logs = undefined
}
