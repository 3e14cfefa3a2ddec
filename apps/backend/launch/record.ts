import pg from "pg"
import { LaunchError } from "./errors.ts"

/** Steps by name, each with the version or fingerprint that it was done for. */
export type Steps = Record<string, string>

/**
 * Calls `run` unless the steps are recorded as done. The record is kept in the database that it describes, and is
 * written after `run` has finished: a run that was killed half-way is repeated.
 */
export async function unlessDone(databaseUrl: string, steps: Steps, run: () => Promise<void>): Promise<void> {
  if (await isDone(databaseUrl, steps)) return
  await run()
  await withClient(databaseUrl, async (client) => {
    for (const step of Object.entries(steps)) await client.query(RECORD, step)
  })
}

const RECORD = `
  INSERT INTO launch.step VALUES ($1, $2)
  ON CONFLICT (name) DO UPDATE SET fingerprint = excluded.fingerprint`

/** @throws LaunchError when there is no connection to the database */
export async function isDone(databaseUrl: string, steps: Steps): Promise<boolean> {
  return withClient(databaseUrl, async (client) => {
    await client.query("CREATE SCHEMA IF NOT EXISTS launch")
    await client.query(
      "CREATE TABLE IF NOT EXISTS launch.step (name text PRIMARY KEY, fingerprint text NOT NULL)",
    )
    const { rows } = await client.query("SELECT name, fingerprint FROM launch.step")
    const done = new Map(rows.map((row) => [row.name, row.fingerprint]))
    return Object.entries(steps).every(([name, fingerprint]) => done.get(name) === fingerprint)
  })
}

async function withClient<T>(databaseUrl: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: databaseUrl })
  try {
    await client.connect()
  } catch (cause) {
    const message = `No connection to the database of DATABASE_URL: ${reason(cause as Error)}.`
    throw new LaunchError(message, { cause })
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
