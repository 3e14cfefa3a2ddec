import { existsSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { LaunchError } from "./errors.ts"
import { fingerprint, packageFolder, packageVersion } from "./fingerprint.ts"
import { runMedusa } from "./medusa.ts"
import { server } from "./paths.ts"
import type { Env, ProcessOptions } from "./processes.ts"
import { isDone, unlessDone } from "./record.ts"

export interface Admin {
  email: string
  password: string
}

export interface Preparation {
  databaseUrl: string
  admin: Admin
  env: Env
  logFile: string
  /** Advice for the case that a step keeps failing. */
  remedy: string
  /** Called before each step that has to be done. */
  onStep?: (step: "migrate" | "seed") => void
}

const plugin = join(packageFolder("@holdfast/medusa-stripe-orders"), ".medusa/server/src")

/** Changes with everything that a migration depends on: Medusa's version, the configured modules, our migrations. */
export function schemaFingerprint(): string {
  const ours = [plugin, join(server, "src")].flatMap((source) => [
    ...migrationsIn(join(source, "modules")),
    join(source, "links"),
    join(source, "migration-scripts"),
  ])
  return fingerprint([...ours, join(server, "medusa-config.js")], [packageVersion("@medusajs/medusa")])
}

function migrationsIn(modules: string): string[] {
  if (!existsSync(modules)) return []
  return readdirSync(modules).map((name) => join(modules, name, "migrations"))
}

/** Changes with everything that a freshly prepared database contains. */
export function contentFingerprint({ email, password }: Admin): string {
  return fingerprint([join(server, "src/seed")], [schemaFingerprint(), email, password])
}

/** Migrates the database unless its tables are those of this version, and seeds it once. */
export async function prepareDatabase(preparation: Preparation): Promise<void> {
  const { databaseUrl, admin, onStep } = preparation
  await unlessDone(databaseUrl, { migrate: schemaFingerprint() }, () => {
    onStep?.("migrate")
    return migrate(preparation)
  })
  const shop = { shop: "seeded" }
  const login = { login: fingerprint([], [admin.email, admin.password]) }
  // After the first seed the data belongs to the shop's owner: rows that they deleted are not made again.
  const isSeeded = await isDone(databaseUrl, shop)
  await unlessDone(databaseUrl, isSeeded ? login : { ...shop, ...login }, () => {
    onStep?.("seed")
    return seed(preparation, isSeeded ? [] : ["shop"])
  })
}

function migrate(preparation: Preparation): Promise<void> {
  const options = inShop(preparation)
  return withAdvice(preparation.remedy, async () => {
    // Medusa's db:migrate runs the scripts too, but doesn't report their failure.
    const tables = ["db:migrate", "--skip-scripts", "--execute-safe-links"]
    await runMedusa("Migrating the database", tables, options)
    await runMedusa("Migrating the database's rows", ["db:migrate:scripts"], options)
  })
}

function seed(preparation: Preparation, args: string[]): Promise<void> {
  const { email, password } = preparation.admin
  const options = inShop(preparation)
  const env = { ...options.env, ADMIN_EMAIL: email, ADMIN_PASSWORD: password }
  const script = ["exec", "./src/seed/index.js", ...args]
  return withAdvice(preparation.remedy, () => runMedusa("Seeding the shop", script, { ...options, env }))
}

function inShop({ databaseUrl, env, logFile }: Preparation): ProcessOptions {
  return {
    cwd: server,
    logFile,
    env: { ...env, DATABASE_URL: databaseUrl, DISABLE_MEDUSA_ADMIN: "true" },
  }
}

async function withAdvice(remedy: string, step: () => Promise<void>) {
  try {
    await step()
  } catch (error) {
    const advice = `Start again: it continues where it stopped and repeats a step that was left half-done. ${remedy}`
    throw new LaunchError(`${(error as Error).message}\n${advice}`, { cause: error })
  }
}
