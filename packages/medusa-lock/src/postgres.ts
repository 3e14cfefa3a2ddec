import { Locks } from "@holdfast/lock"
import { isSchema, postgresStore } from "@holdfast/lock/postgres"
import { Client, type ClientConfig } from "@medusajs/framework/pg"
import type { ModuleProviderExports } from "@medusajs/framework/types"
import { ContainerRegistrationKeys, MedusaError, ModuleProvider, Modules } from "@medusajs/framework/utils"
import { locksLoader, type ProviderSetup } from "./loader.js"
import { isObject, isText, type LockingOptions } from "./options.js"
import { HoldfastLockingProvider } from "./provider.js"

export type { AcquireArgs, ExecuteArgs, Receipt } from "./provider.js"

/** By default the locks are where Medusa's own data is, reached with Medusa's own settings. */
export interface PostgresLockingOptions extends LockingOptions {
  /** Another database for the locks: `postgres://user:password@host:port/database`. */
  databaseUrl?: string | undefined
  /** Settings of `pg` for that database, such as `{ ssl: { … } }`; also in the form of Medusa's `databaseDriverOptions`, under `connection`. */
  databaseDriverOptions?: (ClientConfig & { connection?: ClientConfig }) | undefined
  /** A schema for the locks only, which is created if it doesn't exist. "holdfast_lock" by default. */
  schema?: string | undefined
}

/** Locks for all processes that share a PostgreSQL, on one connection each. */
export class PostgresLockingProvider extends HoldfastLockingProvider {
  static identifier = "holdfast-postgres"
}

type Container = Parameters<ProviderSetup<PostgresLockingOptions>["open"]>[1]

const loader = locksLoader<PostgresLockingOptions>({
  identifier: PostgresLockingProvider.identifier,
  checks: {
    databaseUrl: isText,
    databaseDriverOptions: isObject,
    schema: (value) =>
      isSchema(value) ? undefined : "must be 1 to 63 of a-z, 0-9 and _, without a digit in front",
  },
  open: (options, container) =>
    new Locks(postgresStore({ client: () => openClient(options, container), schema: options.schema }), {
      trackNesting: options.trackNesting,
    }),
})

const LIKE_MEDUSA: ClientConfig = {
  application_name: "holdfast lock",
  connectionTimeoutMillis: 5_000,
  keepAlive: true,
  // Load balancers forget a connection that is silent for 240 s and more.
  keepAliveInitialDelayMillis: 30_000,
}

async function openClient(options: PostgresLockingOptions, container: Container): Promise<Client> {
  const { databaseUrl, databaseDriverOptions = {} } = options
  const { connection, ...driverOptions } = databaseDriverOptions
  const config = databaseUrl ? { connectionString: databaseUrl } : await medusaConnection(container)
  try {
    return new Client({ ...LIKE_MEDUSA, ...config, ...driverOptions, ...connection })
  } catch {
    // Its own error carries the address, with the password in it.
    throw new MedusaError(
      MedusaError.Types.INVALID_ARGUMENT,
      `The locking provider "${PostgresLockingProvider.identifier}" can't read its "databaseUrl"`,
    )
  }
}

/** The settings of Medusa's own pool: the address, TLS, a password that is made anew for each connection. */
interface MedusaPool {
  client?: { config?: { connection?: ClientConfig | (() => ClientConfig | Promise<ClientConfig>) } }
}

async function medusaConnection(container: Container): Promise<ClientConfig> {
  const pool = container.resolve<MedusaPool | undefined>(ContainerRegistrationKeys.PG_CONNECTION, {
    allowUnregistered: true,
  })
  const connection = pool?.client?.config?.connection
  if (!connection)
    throw new MedusaError(
      MedusaError.Types.INVALID_ARGUMENT,
      `The locking provider "${PostgresLockingProvider.identifier}" finds no database of Medusa's: set "databaseUrl"`,
    )
  const config = typeof connection === "function" ? await connection() : connection
  // knex hides the password from being copied.
  return { ...config, password: config.password }
}

const provider: ModuleProviderExports = ModuleProvider(Modules.LOCKING, {
  services: [PostgresLockingProvider],
  loaders: [loader],
})

export default provider
