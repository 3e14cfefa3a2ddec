import type { TestProject } from "vitest/node"
import { startTemplate } from "../../launch/template.ts"

declare module "vitest" {
  export interface ProvidedContext {
    postgresUrl: string
  }
}

/** Once per run of the tests: PostgreSQL with the shop's database, which each test file copies. */
export default async function setup(project: TestProject) {
  const postgres = await startTemplate()
  project.provide("postgresUrl", postgres.url())
  return () => postgres.stop()
}
