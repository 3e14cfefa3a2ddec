import { join } from "node:path"
import pg from "pg"
import { LaunchError } from "./errors.ts"
import { fingerprint, packageFolder, packageVersion } from "./fingerprint.ts"
import { runMedusa } from "./medusa.ts"
import { server } from "./places.ts"
import type { Env } from "./processes.ts"

export interface Admin {
  email: string
  password: string
}

export interface Preparation {
  databaseUrl: string
  admin: Admin
  env: Env
  logFile: string
  /** What to do when a step fails again and again. */
  remedy: string
  /** Told before each step that has to be done. */
  onStep?: (step: "migrate" | "seed") => void
}

const plugin = join(packageFolder("@holdfast/medusa-stripe-orders"), ".medusa/server/src")

/** What the tables depend on. */
export function schemaFingerprint(): string {
  const sources = [
    join(plugin, "modules"),
    join(plugin, "links"),
    join(server, "src/modules"),
    join(server, "src/links"),
  ]
  return fingerprint([...sources, join(server, "medusa-config.js")], [packageVersion("@medusajs/medusa")])
}

/** What the seeded rows depend on. */
export function seedFingerprint({ email, password }: Admin): string {
  return fingerprint([join(server, "src/seed")], [schemaFingerprint(), email, password])
}

/** Migrates and seeds the database, where that has not been completed before. */
export async function prepareDatabase({
  databaseUrl,
  admin,
  env,
  logFile,
  remedy,
  onStep,
}: Preparation): Promise<void> {
  const options = {
    cwd: server,
    logFile,
    env: { ...env, DATABASE_URL: databaseUrl, DISABLE_MEDUSA_ADMIN: "true" },
  }
  await unlessDone(databaseUrl, "migrate", schemaFingerprint(), async () => {
    onStep?.("migrate")
    await advising(remedy, async () => {
      // Medusa's db:migrate runs the scripts too, but doesn't say when they fail.
      await runMedusa(
        "Migrating the database",
        ["db:migrate", "--skip-scripts", "--execute-safe-links"],
        options,
      )
      await runMedusa("Migrating the database's rows", ["db:migrate:scripts"], options)
    })
  })
  await unlessDone(databaseUrl, "seed", seedFingerprint(admin), async () => {
    onStep?.("seed")
    const login = { ADMIN_EMAIL: admin.email, ADMIN_PASSWORD: admin.password }
    await advising(remedy, () =>
      runMedusa("Seeding the shop", ["exec", "./src/seed/index.js"], {
        ...options,
        env: { ...options.env, ...login },
      }),
    )
  })
}

// The record stands in the database that it is about, and is written when the step is complete: a step that
// was killed half-way is run again, and Medusa's migrations and our seed go on where they stopped.
async function unlessDone(databaseUrl: string, step: string, wanted: string, run: () => Promise<void>) {
  const done = await withClient(databaseUrl, async (client) => {
    await client.query("CREATE SCHEMA IF NOT EXISTS launch")
    await client.query(
      "CREATE TABLE IF NOT EXISTS launch.step (name text PRIMARY KEY, fingerprint text NOT NULL)",
    )
    const { rows } = await client.query("SELECT fingerprint FROM launch.step WHERE name = $1", [step])
    return rows[0]?.fingerprint === wanted
  })
  if (done) return
  await run()
  await withClient(databaseUrl, (client) =>
    client.query(
      "INSERT INTO launch.step VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET fingerprint = excluded.fingerprint",
      [step, wanted],
    ),
  )
}

async function withClient<T>(databaseUrl: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: databaseUrl })
  try {
    await client.connect()
  } catch (cause) {
    throw new LaunchError(`No connection to the database of DATABASE_URL: ${reason(cause as Error)}.`, {
      cause,
    })
  }
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

function reason(error: Error & { code?: string; errors?: Error[] }): string {
  if (error.code === "3D000") return `${error.message}; create it, empty, and start again`
  return error.message || error.errors?.[0]?.message || error.code || error.name
}

async function advising(remedy: string, step: () => Promise<void>) {
  try {
    await step()
  } catch (error) {
    const advice = `Start again: it goes on where it stopped, and a step that was left half-done is done again. ${remedy}`
    throw new LaunchError(`${(error as Error).message}\n${advice}`, { cause: error })
  }
}
