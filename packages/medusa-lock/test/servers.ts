import { randomBytes } from "node:crypto"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { startPostgres, unsafeFastSettings } from "@holdfast/postgres-local"
import { startRedis } from "@holdfast/redis-local"
import type { TestProject } from "vitest/node"

declare module "vitest" {
  export interface ProvidedContext {
    lockRedisUrl: string
    lockPostgresUrl: string
  }
}

/** Once per run of the tests: a Redis and a PostgreSQL, in which each test has a lock space of its own. */
export default async function setup(project: TestProject) {
  const dataDir = join(tmpdir(), `holdfast-medusa-lock-${randomBytes(6).toString("hex")}`)
  const settings = { ...unsafeFastSettings, max_connections: "200" }
  const [redis, postgres] = await Promise.all([
    startRedis(),
    startPostgres({ dataDir, persistent: false, settings }),
  ])
  project.provide("lockRedisUrl", redis.url)
  project.provide("lockPostgresUrl", postgres.url())
  return () => Promise.all([redis.kill(), postgres.stop()])
}
