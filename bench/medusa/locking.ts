import { asValue } from "@medusajs/framework/awilix"
import { MedusaApp } from "@medusajs/framework/modules-sdk"
import type { ILockingModule, MedusaContainer } from "@medusajs/framework/types"
import {
  ContainerRegistrationKeys,
  createMedusaContainer,
  Modules,
  ModulesSdkUtils,
} from "@medusajs/framework/utils"
import type { Run, StoreName } from "../bench.ts"

/** A provider of the Locking Module, with its id in `openLocking`. */
export interface Provider {
  readonly name: string
  readonly store: StoreName
  readonly id: string
  readonly isOurs: boolean
}

export const PROVIDERS: readonly Provider[] = [
  { name: "Medusa's in-memory", store: "memory", id: "in-memory", isOurs: false },
  { name: "Holdfast, memory", store: "memory", id: "holdfast-memory", isOurs: true },
  { name: "Medusa's locking-redis", store: "redis", id: "medusa-redis", isOurs: false },
  { name: "Holdfast, redis", store: "redis", id: "holdfast-redis", isOurs: true },
  { name: "Medusa's locking-postgres", store: "postgres", id: "medusa-postgres", isOurs: false },
  { name: "Holdfast, postgres", store: "postgres", id: "holdfast-postgres", isOurs: true },
]

/** The table that Medusa's migration makes for its Postgres provider. */
export const LOCKING_TABLE = `CREATE TABLE IF NOT EXISTS locking (
  id text PRIMARY KEY, owner_id text, expiration timestamptz,
  created_at timestamptz DEFAULT now(), updated_at timestamptz DEFAULT now(), deleted_at timestamptz)`

export interface Locking {
  readonly container: MedusaContainer
  readonly locking: ILockingModule
  close(): Promise<void>
}

/** Medusa's own Locking Module with all providers of these stores, each on the bench's servers. */
export async function openLocking({ servers, stores }: Run): Promise<Locking> {
  const providers: object[] = [{ resolve: "@holdfast/medusa-lock/memory", id: "holdfast-memory" }]
  if (stores.includes("redis")) {
    const { url: redisUrl } = await servers.redis()
    const options = { redisUrl }
    providers.push({ resolve: "@medusajs/locking-redis", id: "medusa-redis", options })
    providers.push({ resolve: "@holdfast/medusa-lock/redis", id: "holdfast-redis", options })
  }
  const container = createMedusaContainer()
  const log = () => undefined
  const logger = { info: log, warn: log, error: log, debug: log, log }
  container.register({ [ContainerRegistrationKeys.LOGGER]: asValue(logger) })
  const pool = stores.includes("postgres") ? await openPool(await servers.postgres()) : undefined
  if (pool) {
    container.register({ [ContainerRegistrationKeys.PG_CONNECTION]: asValue(pool) })
    providers.push({ resolve: "@medusajs/locking-postgres", id: "medusa-postgres" })
    providers.push({ resolve: "@holdfast/medusa-lock/postgres", id: "holdfast-postgres" })
  }
  const { modules, onApplicationShutdown } = await MedusaApp({
    sharedContainer: container,
    modulesConfig: { [Modules.LOCKING]: { resolve: "@medusajs/locking", options: { providers } } },
    cwd: process.cwd(),
  })
  const locking = modules[Modules.LOCKING] as unknown as ILockingModule
  container.register({ [Modules.LOCKING]: asValue(locking) })
  return {
    container,
    locking,
    async close() {
      await onApplicationShutdown()
      await pool?.destroy()
    },
  }
}

/** Medusa's own pool, with the table of its Postgres provider. */
async function openPool(postgres: { url: string; query(text: string): Promise<unknown> }) {
  await postgres.query(LOCKING_TABLE)
  return ModulesSdkUtils.createPgConnection({
    clientUrl: postgres.url,
    driverOptions: { connection: { ssl: false } },
    pool: { min: 2, max: 10 },
  } as Parameters<typeof ModulesSdkUtils.createPgConnection>[0])
}
