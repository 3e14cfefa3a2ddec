import { rm } from "node:fs/promises"
import { join, resolve } from "node:path"
import getPort from "get-port"
import pg from "pg"
import { chooseAccount } from "./account.ts"
import { findBinaries } from "./binaries.ts"
import { openCluster } from "./cluster.ts"
import { PostgresError } from "./errors.ts"
import { endPreviousServer } from "./postmaster.ts"
import { startServer } from "./server.ts"

export { PostgresError, type PostgresErrorCode } from "./errors.ts"

export interface PostgresOptions {
  /** Where the data is kept. Created when it isn't there. */
  dataDir: string
  /** Default: a free one, another at each start. */
  port?: number
  /** false removes `dataDir` when the server ends, however it ends. Default: true. */
  persistent?: boolean
  /** Server settings, as in postgresql.conf. */
  settings?: Record<string, string>
}

export interface Administration {
  /** With a template: a copy of that database, which must have no connections. */
  createDatabase(name: string, options?: { template?: string }): Promise<string>
  /** Ends the connections to it first. No error where there is none of that name. */
  dropDatabase(name: string): Promise<void>
  /** The database must have no connections. */
  renameDatabase(name: string, to: string): Promise<void>
  databases(): Promise<string[]>
}

export interface LocalPostgres extends Administration {
  pid: number
  port: number
  logFile: string
  url(database?: string): string
  stop(): Promise<void>
}

/** For tests: the data may be lost in a crash of the machine, and nothing waits for the disk. */
export const unsafeFastSettings = { fsync: "off", synchronous_commit: "off", full_page_writes: "off" }

/**
 * Starts PostgreSQL on a directory, on the loopback address only. The server ends on `stop()` and when this
 * process ends, `kill -9` included: no signal handler is needed.
 * @throws PostgresError, whose message says what to do
 */
export async function startPostgres(options: PostgresOptions): Promise<LocalPostgres> {
  if (options.port !== undefined) return startOn(options.port, options)
  for (let attempt = 1; ; attempt++) {
    try {
      return await startOn(await getPort({ host: "127.0.0.1" }), options)
    } catch (error) {
      // Another program may have taken the port after it was found free.
      const taken = error instanceof PostgresError && error.code === "PORT_IN_USE"
      if (!taken || attempt === 5) throw error
    }
  }
}

async function startOn(port: number, options: PostgresOptions): Promise<LocalPostgres> {
  const dataDir = resolve(options.dataDir)
  const removeAtEnd = options.persistent === false
  const settings = options.settings ?? {}
  const binaries = await findBinaries()
  const binary = binaries.postgres
  const password = await openCluster(dataDir, binaries, settings.fsync !== "off")
  await endPreviousServer(dataDir)
  const logFile = join(dataDir, "server.log")
  const account = chooseAccount(dataDir, binary)
  const server = await startServer({ binary, account, dataDir, port, logFile, settings, removeAtEnd })
  const url = (database = "postgres") => `postgres://postgres:${password}@127.0.0.1:${port}/${database}`
  const stop = async () => {
    await server.stop()
    if (removeAtEnd) await rm(dataDir, { recursive: true, force: true })
  }
  return { pid: server.pid, port, logFile, url, stop, ...administer(url) }
}

/** Creates and drops databases on a server that was started elsewhere; `url` gives the address of a database. */
export function administer(url: (database?: string) => string): Administration {
  const query = async (sql: string) => {
    const client = new pg.Client({ connectionString: url() })
    await client.connect()
    try {
      return (await client.query(sql)).rows
    } finally {
      await client.end()
    }
  }
  const quote = pg.escapeIdentifier
  return {
    async createDatabase(name: string, { template }: { template?: string } = {}) {
      // Copying the files beats writing every page to the log: a migrated Medusa is a thousand small files.
      await query(
        `CREATE DATABASE ${quote(name)}${template ? ` TEMPLATE ${quote(template)} STRATEGY file_copy` : ""}`,
      )
      return url(name)
    },
    async dropDatabase(name: string) {
      await query(`DROP DATABASE IF EXISTS ${quote(name)} WITH (FORCE)`)
    },
    async renameDatabase(name, to) {
      await query(`ALTER DATABASE ${quote(name)} RENAME TO ${quote(to)}`)
    },
    async databases() {
      return (await query("SELECT datname FROM pg_database WHERE NOT datistemplate")).map(
        ({ datname }) => datname,
      )
    },
  }
}
