import { LockArgumentError } from "../errors.js"
import type { Store } from "../store.js"
import { besidePool, byConnectionString, type Connect, type PgClient, type PgPool } from "./clients.js"
import { type Names, namesOf } from "./names.js"
import { PostgresSession } from "./session.js"

export type { PgClient, PgPool } from "./clients.js"
export { installSql } from "./install.js"
export { isSchema } from "./names.js"

export interface PostgresOptions {
  /** Where the server is. Each `Locks` opens one connection there, for everything. */
  connectionString?: string | undefined
  /** In its place, where a string isn't enough: makes a `Client` of `pg`, not connected yet. The store ends it. */
  client?: (() => PgClient | Promise<PgClient>) | undefined
  /** A pool of `pg`, for the statements; each `Locks` opens one connection beside it, for messages. The store never ends it. */
  pool?: PgPool | undefined
  /** The lock space: a schema of its own, which is created if it doesn't exist. `holdfast_lock` by default. */
  schema?: string | undefined
  /** How long to wait for any answer of the server, in ms, before it is taken for gone. 5,000 by default. */
  responseTimeout?: number | undefined
}

/**
 * A store for all processes that share a PostgreSQL server, 13 or later.
 *
 * Throws `LockArgumentError` unless exactly one of `connectionString`, `client` and `pool` is given, and it is one.
 */
export function postgresStore(options: PostgresOptions): Store {
  if (typeof options !== "object" || options === null)
    throw new LockArgumentError("postgresStore needs options, such as { connectionString }")
  const { schema = "holdfast_lock" } = options
  return storeAt(options, namesOf(schema))
}

/** Never creates or upgrades the lock space, and fails where it isn't there: for the command line, which looks. */
export function existingStore({ schema = "holdfast_lock", ...options }: PostgresOptions): Store {
  return storeAt(options, namesOf(schema), false)
}

/** For tests, which set the clock. */
export function storeAt(options: PostgresOptions, names: Names, installs = true): Store {
  const { pool, responseTimeout: timeoutMs = 5_000 } = options
  if (!(typeof timeoutMs === "number" && timeoutMs > 0 && timeoutMs < 2 ** 31))
    throw new LockArgumentError(`responseTimeout must be a number of ms above 0, not ${String(timeoutMs)}`)
  const connect = connectOf(options, timeoutMs)
  return {
    connect: (wake) => new PostgresSession({ names, connect, pool, timeoutMs, installs }, wake).open(),
  }
}

function connectOf({ connectionString, client, pool }: PostgresOptions, timeoutMs: number): Connect {
  if ([connectionString, client, pool].filter((it) => it !== undefined).length !== 1)
    throw new LockArgumentError(
      "The Postgres store takes a connectionString, a client or a pool, one of them",
    )
  if (client !== undefined && typeof client !== "function")
    throw new LockArgumentError(
      "The option client of the Postgres store must be a function that makes a Client of pg",
    )
  if (pool !== undefined) return besidePool(checkPool(pool), timeoutMs)
  if (client) return async () => checkClient(await client())
  return byConnectionString(checkConnectionString(connectionString), timeoutMs)
}

function checkPool(pool: PgPool): PgPool {
  const { connect, options, Client } = (pool ?? {}) as Partial<PgPool> & { Client?: unknown }
  if (typeof connect === "function" && typeof Client === "function" && typeof options === "object")
    return pool
  const porsager = typeof pool === "function" && "unsafe" in pool
  throw new LockArgumentError(
    `The option pool of the Postgres store must be a Pool of pg${porsager ? ", not a client of the package postgres: give a connectionString" : ""}`,
  )
}

function checkClient(client: PgClient): PgClient {
  const { connect, query, on } = (client ?? {}) as Partial<PgClient>
  if ([connect, query, on].every((it) => typeof it === "function")) return client
  throw new LockArgumentError("The function client of the Postgres store must return a Client of pg")
}

/** pg takes an empty text for localhost. The string is not shown: it may hold a password. */
function checkConnectionString(text: unknown): string {
  if (typeof text === "string" && /^(postgres(ql)?:\/\/|socket:|(?![a-z][a-z0-9+.-]*:\/\/))\S/i.test(text))
    return text
  throw new LockArgumentError(
    "connectionString must be a text such as postgres://user@localhost/db; is the variable set that it comes from?",
  )
}
