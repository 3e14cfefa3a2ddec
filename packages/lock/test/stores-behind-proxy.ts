import { type LocalRedis, startRedis } from "@holdfast/redis-local"
import { Redis } from "ioredis"
import pg from "pg"
import { createClient } from "redis"
import { afterAll, beforeAll } from "vitest"
import { type PostgresOptions, postgresStore } from "../src/postgres/index.js"
import { type RedisStoreOptions, redisStore } from "../src/redis/index.js"
import type { Store } from "../src/store.js"
import { server } from "./postgres-server.js"
import { LossyProxy } from "./proxy.js"

/** A store that reaches its server through a proxy, and one that reaches the same lock space directly. */
export interface BehindProxy extends AsyncDisposable {
  readonly proxy: LossyProxy
  readonly store: Store
  readonly direct: Store
}

/** Every way to reach a server, on servers that the tests of a file share; `answerWithin` is how long a store waits, in ms. */
export function storesBehindProxy(): Record<string, (answerWithin?: number) => Promise<BehindProxy>> {
  let redis: LocalRedis
  beforeAll(async () => {
    redis = await startRedis()
  })
  afterAll(() => redis.kill())
  const postgres = server()

  const onRedis = async (
    commandTimeout: number,
    options: (url: string) => RedisStoreOptions,
    close: () => void = () => undefined,
  ): Promise<BehindProxy> => {
    const proxy = await LossyProxy.open(redis.port)
    const prefix = crypto.randomUUID()
    return {
      proxy,
      store: redisStore({ ...options(proxy.url), prefix, commandTimeout }),
      direct: redisStore({ url: redis.url, prefix }),
      async [Symbol.asyncDispose]() {
        close()
        await proxy[Symbol.asyncDispose]()
      },
    }
  }

  const onPostgres = async (
    responseTimeout: number,
    options: (connectionString: string) => Partial<PostgresOptions>,
  ): Promise<BehindProxy> => {
    const { connectionString, schema, drop } = await postgres.space()
    const proxy = await LossyProxy.open(Number(new URL(connectionString).port))
    const through = options(connectionString.replace(/:\d+\//, `:${proxy.port}/`))
    return {
      proxy,
      store: postgresStore({ ...through, schema, responseTimeout }),
      direct: postgresStore({ connectionString, schema }),
      async [Symbol.asyncDispose]() {
        await proxy[Symbol.asyncDispose]()
        await drop()
      },
    }
  }

  const pool = (connectionString: string) => {
    const made = new pg.Pool({ connectionString, idleTimeoutMillis: 0 })
    made.on("error", () => undefined)
    return { pool: made }
  }
  return {
    "Redis by url": (within = 5_000) => onRedis(within, (url) => ({ url })),
    "Redis by client": (within = 5_000) => {
      let client: Redis
      const open = (url: string) => {
        client = new Redis(url)
        client.on("error", () => undefined)
        return { client }
      }
      return onRedis(within, open, () => client.disconnect())
    },
    "Redis by a function that makes a client of node-redis": (within = 5_000) =>
      onRedis(within, (url) => ({ client: () => createClient({ url }) })),
    "Postgres by connectionString": (within = 5_000) =>
      onPostgres(within, (connectionString) => ({ connectionString })),
    "Postgres by client": (within = 5_000) =>
      onPostgres(within, (connectionString) => ({ client: () => new pg.Client({ connectionString }) })),
    "Postgres by pool": (within = 5_000) => onPostgres(within, pool),
  }
}
