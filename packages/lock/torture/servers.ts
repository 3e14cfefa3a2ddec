import { rm } from "node:fs/promises"
import { join } from "node:path"
import { startPostgres } from "@holdfast/postgres-local"
import { startRedis } from "@holdfast/redis-local"
import pg from "pg"
import { Locks } from "../src/index.ts"
import { postgresStore } from "../src/postgres/index.ts"
import { redisStore } from "../src/redis/index.ts"
import type { Random } from "./random.ts"

/** A server whose stops and losses are part of the run. */
export interface Server {
  readonly version: string
  readonly port: number
  urlAt(port: number): string
  /** Ends it and starts it again after `down`. Returns whether it has forgotten what was held. */
  restart(random: Random, down: () => Promise<unknown>): Promise<boolean>
  locks(): Locks
  /** The rows and keys that the lock has left in it, each as a line; no request waits and no lease is held. */
  leftovers(): Promise<string[]>
  stop(): Promise<void>
}

export const SPACE = "torture"

export async function startRedisServer(): Promise<Server> {
  const redis = await startRedis()
  const info = await redis.say("INFO", "server")
  return {
    version: `Redis ${/redis_version:(\S+)/.exec(info)?.[1]}`,
    port: redis.port,
    urlAt: (port) => `redis://127.0.0.1:${port}`,
    async restart(random, down) {
      if (random.chance(0.3)) {
        await redis.wipe()
        return true
      }
      await redis.kill()
      await down()
      await redis.restart()
      return true
    },
    locks: () => new Locks(redisStore({ url: redis.url, prefix: SPACE })),
    async leftovers() {
      const left: string[] = []
      for (const [part, count] of [
        ["", "HLEN"],
        [":expiries", "ZCARD"],
        [":waiters", "ZCARD"],
        [":wakeups", "ZCARD"],
      ] as const) {
        // One member stays: the last number, or what keeps the set from vanishing.
        const size = Number((await redis.say(count, `{${SPACE}}${part}`)).trim().slice(1))
        if (size > 1) left.push(`{${SPACE}}${part} holds ${size - 1} more than it needs`)
      }
      return left
    },
    stop: () => redis.kill(),
  }
}

/** A process that crashes loses nothing that it has written: only the machine could, and that stays up. */
const SETTINGS = { fsync: "off", full_page_writes: "off", max_connections: "200" }

export async function startPostgresServer(folder: string): Promise<Server> {
  const dataDir = join(folder, "postgres")
  let server = await startPostgres({ dataDir, settings: SETTINGS })
  const { port } = server
  return {
    version: await versionOf(server.url()),
    port,
    urlAt: (at) => server.url().replace(`:${port}/`, `:${at}/`),
    async restart(random, down) {
      // Immediately, without a checkpoint; now and then as an administrator would, which keeps what is not logged.
      if (random.chance(0.75)) process.kill(server.pid, "SIGQUIT")
      await server.stop()
      await down()
      server = await startPostgres({ dataDir, port, settings: SETTINGS })
      return false
    },
    locks: () => new Locks(postgresStore({ connectionString: server.url(), schema: SPACE })),
    leftovers: () => rowsLeft(server.url()),
    async stop() {
      await server.stop()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}

async function versionOf(connectionString: string): Promise<string> {
  const [row] = await query<{ server_version: string }>(connectionString, "SHOW server_version")
  return `PostgreSQL ${row?.server_version}`
}

async function rowsLeft(connectionString: string): Promise<string[]> {
  const left: string[] = []
  // The batch that a dead session has given up is kept for a day, since the server may still execute it.
  for (const table of ["queue", "lasting", "session WHERE wake_at IS NOT NULL"]) {
    const [row] = await query<{ count: string }>(connectionString, `SELECT count(*) FROM ${SPACE}.${table}`)
    if (row?.count !== "0") left.push(`${row?.count} rows in ${SPACE}.${table}`)
  }
  return left
}

async function query<Row>(connectionString: string, text: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString })
  await client.connect()
  try {
    return (await client.query(text)).rows as Row[]
  } finally {
    await client.end()
  }
}
