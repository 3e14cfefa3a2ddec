import { randomBytes } from "node:crypto"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type LocalPostgres, startPostgres, unsafeFastSettings } from "@holdfast/postgres-local"
import pg from "pg"
import { afterAll, beforeAll } from "vitest"

/** A lock space of one test's own. */
export interface Space {
  readonly schema: string
  readonly connectionString: string
  drop(): Promise<void>
}

/**
 * The server that the tests of a file share: HOLDFAST_POSTGRES_URL, or one of its own that is gone at the end.
 */
export function server(): { space(): Promise<Space>; url(): string } {
  let local: LocalPostgres | undefined
  const given = process.env.HOLDFAST_POSTGRES_URL
  beforeAll(async () => {
    if (given) return
    const dataDir = join(tmpdir(), `holdfast-lock-${randomBytes(6).toString("hex")}`)
    local = await startPostgres({
      dataDir,
      persistent: false,
      settings: { ...unsafeFastSettings, max_connections: "200" },
    })
  }, 60_000)
  afterAll(() => local?.stop())
  const url = () => given ?? local?.url() ?? ""
  return { url, space: async () => spaceAt(url()) }
}

function spaceAt(connectionString: string): Space {
  const schema = `lock_${randomBytes(6).toString("hex")}`
  return {
    schema,
    connectionString,
    drop: () => query(connectionString, `DROP SCHEMA IF EXISTS ${schema} CASCADE`),
  }
}

/** Runs statements on a connection of their own. */
export async function query(connectionString: string, text: string): Promise<void> {
  const client = new pg.Client({ connectionString })
  await client.connect()
  try {
    await client.query(text)
  } finally {
    await client.end()
  }
}
