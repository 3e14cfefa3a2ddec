import { execFileSync } from "node:child_process"
import { existsSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync, utimesSync } from "node:fs"
import { mkdir } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type LocalPostgres, startPostgres, unsafeFastSettings } from "@holdfast/postgres-local"
import { buildServer } from "./build.ts"
import { type Admin, contentFingerprint, prepareDatabase } from "./database.ts"
import { data } from "./paths.ts"

/** The database that tests copy. */
export const TEMPLATE = "shop"
export const templateAdmin: Admin = { email: "admin@holdfast.example", password: "only-for-tests" }

/** The settings that the shop needs in order to load; nothing listens at this address. */
export const idleEnv = {
  STRIPE_API_KEY: "sk_test_idle",
  STRIPE_WEBHOOK_SECRET: "whsec_idle",
  STRIPE_HOST: "127.0.0.1",
  STRIPE_PORT: "1",
  JWT_SECRET: "only-for-tests",
  COOKIE_SECRET: "only-for-tests",
}

const kept = join(data, "template")

/**
 * PostgreSQL with a migrated and seeded database named `shop`, for tests. Making one takes 40 s, so it is made
 * once for each state of the sources and kept. Tests run on a copy of its files: runs can't affect each other,
 * and a crash can't damage the original.
 */
export async function startTemplate(): Promise<LocalPostgres> {
  return startPostgres({
    dataDir: await copyTemplate(),
    settings: { ...unsafeFastSettings, max_connections: "300" },
    persistent: false,
  })
}

/** The files of that PostgreSQL, in a folder of their own. */
export async function copyTemplate(): Promise<string> {
  await buildServer()
  const whole = join(kept, contentFingerprint(templateAdmin))
  prune()
  if (!existsSync(whole)) await makeTemplate(whole)
  utimesSync(whole, new Date(), new Date())
  const dataDir = mkdtempSync(join(tmpdir(), "holdfast-test-"))
  execFileSync("cp", ["-a", `${whole}/.`, dataDir])
  return dataDir
}

async function makeTemplate(whole: string) {
  console.log("Preparing the database that the tests copy (about 40 s, once)")
  await mkdir(kept, { recursive: true })
  const draft = join(kept, `draft-${process.pid}`)
  const postgres = await startPostgres({ dataDir: draft, settings: { synchronous_commit: "off" } })
  try {
    const databaseUrl = await postgres.createDatabase(TEMPLATE)
    const logFile = join(data, "template.log")
    await prepareDatabase({
      databaseUrl,
      admin: templateAdmin,
      env: idleEnv,
      logFile,
      remedy: `Delete ${kept}.`,
    })
  } finally {
    await postgres.stop()
  }
  // Drafts are left alone: another run may be making one.
  if (existsSync(whole)) rmSync(draft, { recursive: true })
  else renameSync(draft, whole)
}

const DAY = 24 * 3600 * 1000

// Another run may be copying or making one of these right now, so only folders unused for a day are removed.
function prune() {
  for (const entry of existsSync(kept) ? readdirSync(kept) : []) {
    const folder = join(kept, entry)
    if (Date.now() - statSync(folder).mtimeMs > DAY) rmSync(folder, { recursive: true, force: true })
  }
}
