import { Locks, type LocksOptions } from "@holdfast/lock"
import { fence } from "@holdfast/lock/fence"
import { memoryStore } from "@holdfast/lock/memory"
import { lockMetrics } from "@holdfast/lock/opentelemetry"
import { postgresStore } from "@holdfast/lock/postgres"
import { redisStore } from "@holdfast/lock/redis"
import { exerciseStore } from "@holdfast/lock/testing"
import { Cluster, Redis } from "ioredis"
import pg from "pg"
import { createClient, createCluster, createSentinel } from "redis"

/** What users write, under the strictest settings of TypeScript: an option may be `undefined`. */
const name: string | undefined = process.env.NAME
const time = undefined as number | undefined
const signal = undefined as AbortSignal | undefined
const options: LocksOptions = {
  ttl: time,
  timeout: time,
  trackNesting: undefined,
  on: lockMetrics({ classOf: undefined }),
}

export const stores = [
  postgresStore({ connectionString: process.env.DATABASE_URL, schema: name, responseTimeout: time }),
  postgresStore({ pool: new pg.Pool() }),
  postgresStore({ client: () => new pg.Client() }),
  redisStore({ url: process.env.REDIS_URL, prefix: name, commandTimeout: time }),
  redisStore({ client: new Redis() }),
  redisStore({ client: new Cluster([]) }),
  redisStore({ client: createClient() }),
  redisStore({ client: createCluster({ rootNodes: [] }) }),
  redisStore({ client: createSentinel({ name: "primary", sentinelRootNodes: [] }) }),
  memoryStore({ clock: undefined }),
]

export async function use(): Promise<void> {
  const locks = new Locks(memoryStore(), options)
  const client = await new pg.Pool().connect()
  await locks.run("key", (lease) => fence(client, lease, { schema: name }), {
    signal,
    ttl: time,
    timeout: time,
    owner: name,
    renew: undefined,
    holding: undefined,
  })
  await locks.run("outer", (outer) => locks.acquire("inner", { holding: [outer] }))
  await fence(client, { key: 1n })
}

export { exerciseStore }
