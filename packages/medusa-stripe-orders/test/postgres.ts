import { randomBytes } from "node:crypto"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { startPostgres, unsafeFastSettings } from "@holdfast/postgres-local"
import type { TestProject } from "vitest/node"

declare module "vitest" {
  export interface ProvidedContext {
    pluginPostgresUrl: string
  }
}

/** Once per run of the tests: a PostgreSQL, in which each test file has a database of its own. */
export default async function setup(project: TestProject) {
  const dataDir = join(tmpdir(), `holdfast-medusa-stripe-orders-${randomBytes(6).toString("hex")}`)
  const settings = { ...unsafeFastSettings, max_connections: "200" }
  const postgres = await startPostgres({ dataDir, persistent: false, settings })
  project.provide("pluginPostgresUrl", postgres.url())
  return () => postgres.stop()
}
