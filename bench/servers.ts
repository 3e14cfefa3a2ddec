import { mkdtemp, open, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type LocalPostgres, startPostgres } from "@holdfast/postgres-local"
import { type LocalRedis, startRedis } from "@holdfast/redis-local"
import pg from "pg"

/** A commit waits for the disk, as it does in production. */
const POSTGRES_SETTINGS = {
  fsync: "on",
  synchronous_commit: "on",
  full_page_writes: "on",
  max_connections: "300",
  // Tells when a row was committed, to the microsecond.
  track_commit_timestamp: "on",
  shared_preload_libraries: "pg_stat_statements",
}

const REPORTED_SETTINGS = [
  ...Object.keys(POSTGRES_SETTINGS),
  "wal_sync_method",
  "shared_buffers",
  "wal_level",
  "jit",
]

/** The bench's own servers, started at the first use. */
export class Servers {
  #redis: Promise<LocalRedis> | undefined
  #postgres: Promise<Database> | undefined

  redis(): Promise<LocalRedis> {
    this.#redis ??= startRedis()
    return this.#redis
  }

  postgres(): Promise<Database> {
    this.#postgres ??= Database.start()
    return this.#postgres
  }

  /** The versions and settings that the figures depend on, as the servers report them. */
  async describe(): Promise<Record<string, string>> {
    const about: Record<string, string> = {}
    const info = await (await this.#redis)?.say("INFO", "server")
    if (info) about.Redis = `${/redis_version:(\S+)/.exec(info)?.[1]}, without persistence, on loopback`
    const postgres = await this.#postgres
    if (postgres) Object.assign(about, await postgres.describe())
    return about
  }

  async stop(): Promise<void> {
    await (await this.#redis)?.kill()
    await (await this.#postgres)?.stop()
  }
}

export class Database {
  readonly server: LocalPostgres
  readonly #folder: string
  readonly #pool: pg.Pool

  private constructor(server: LocalPostgres, folder: string) {
    this.server = server
    this.#folder = folder
    this.#pool = new pg.Pool({ connectionString: server.url(), max: 1 })
    this.#pool.on("error", () => undefined)
  }

  static async start(): Promise<Database> {
    const folder = await mkdtemp(join(tmpdir(), "holdfast-bench-"))
    const dataDir = join(folder, "data")
    const server = await startPostgres({ dataDir, persistent: false, settings: POSTGRES_SETTINGS })
    const database = new Database(server, folder)
    await database.query("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
    return database
  }

  get url(): string {
    return this.server.url()
  }

  async query<Row extends object>(text: string): Promise<Row[]> {
    return (await this.#pool.query<Row>(text)).rows
  }

  /** The number of statements sent by clients, without those that run inside a function. */
  async statements(): Promise<number> {
    const [row] = await this.query<{ calls: string }>(
      "SELECT coalesce(sum(calls), 0) AS calls FROM pg_stat_statements WHERE toplevel AND query NOT LIKE '%pg_stat_statements%'",
    )
    return Number(row?.calls)
  }

  async describe(): Promise<Record<string, string>> {
    const [version] = await this.query<{ server_version: string }>("SHOW server_version")
    const settings = await this.query<{ name: string; value: string }>(
      `SELECT name, current_setting(name) AS value FROM pg_settings WHERE name IN ('${REPORTED_SETTINGS.join("', '")}')`,
    )
    const told = settings.map(({ name, value }) => `${name} = ${value}`).join(", ")
    const flush = `a flush to its disk takes ${(await flushTime(this.#folder)).toFixed(2)} ms`
    return { Postgres: `${version?.server_version}, on loopback: ${told}; ${flush}` }
  }

  async stop(): Promise<void> {
    await this.#pool.end()
    await this.server.stop()
    await rm(this.#folder, { recursive: true, force: true })
  }
}

/** The time of one fsync in ms, which every commit depends on. */
async function flushTime(folder: string): Promise<number> {
  const file = await open(join(folder, "flush"), "w")
  const times: number[] = []
  for (let i = 0; i < 21; i++) {
    const started = performance.now()
    await file.write(Buffer.alloc(8_192, i))
    await file.datasync()
    times.push(performance.now() - started)
  }
  await file.close()
  return times.sort((a, b) => a - b)[10] ?? Number.NaN
}
