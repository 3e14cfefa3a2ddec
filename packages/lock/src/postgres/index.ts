import { LockArgumentError } from "../errors.js"
import type { Store } from "../store.js"
import { besidePool, byConnectionString, type Connect, type PgPool } from "./connection.js"
import { type Names, namesOf } from "./names.js"
import { PostgresSession } from "./session.js"

export type { PgPool } from "./connection.js"
export { installSql } from "./install.js"

export interface PostgresOptions {
  /** Where the server is. Each `Locks` opens one connection there, for everything. */
  connectionString?: string
  /** A pool of `pg`, for the statements; each `Locks` opens one connection beside it, for messages. It is never ended here. */
  pool?: PgPool
  /** The lock space: a schema of its own, which is made if it isn't there. `holdfast_lock` by default. */
  schema?: string
  /** How long to wait for any answer of the server, in ms, before it is taken for gone. 5,000 by default. */
  responseTimeout?: number
}

/** How a session reaches its lock space. */
export interface Access {
  readonly names: Names
  readonly connect: Connect
  readonly pool: PgPool | undefined
  readonly patience: number
}

/**
 * A store for all processes that share a PostgreSQL server, 13 or later.
 *
 * Throws `LockArgumentError` where neither or both of `connectionString` and `pool` are given.
 */
export function postgresStore(options: PostgresOptions): Store {
  return storeAt(options, namesOf(options.schema ?? "holdfast_lock"))
}

/** For tests, which bring a clock of their own. */
export function storeAt(
  { connectionString, pool, responseTimeout = 5_000 }: PostgresOptions,
  names: Names,
): Store {
  if ((connectionString === undefined) === (pool === undefined))
    throw new LockArgumentError("The Postgres store takes either a connectionString or a pool")
  const connect = pool
    ? besidePool(pool, responseTimeout)
    : byConnectionString(connectionString ?? "", responseTimeout)
  return {
    connect: (wake) => new PostgresSession({ names, connect, pool, patience: responseTimeout }, wake).open(),
  }
}
