import { LockArgumentError } from "../errors.js"
import { notLoaded } from "../optional-package.js"
import { CHECK_WITHIN, KEEP_ALIVE, QUIET } from "../store.js"

/** The part of a client of `pg` that is used, so that pg's types are no part of ours. */
export interface PgClient {
  connect(): Promise<unknown>
  query(query: object): Promise<{ rows: unknown[] }>
  end(): Promise<void>
  on(
    event: string,
    listener: (argument: { channel?: string | undefined; payload?: string | undefined }) => void,
  ): unknown
  removeListener(
    event: string,
    listener: (argument: { channel?: string | undefined; payload?: string | undefined }) => void,
  ): unknown
  ref?(): void
  unref?(): void
  readonly processID?: number | null | undefined
}

export interface PgPoolClient extends Pick<PgClient, "query"> {
  release(destroy?: boolean | Error): void
}

/** A pool of `pg`. */
export interface PgPool {
  connect(): Promise<PgPoolClient>
  readonly options: object
  readonly idleCount?: number
  readonly totalCount?: number
}

export interface Statement {
  readonly text: string
  readonly values?: readonly unknown[]
  /** Prepares it under this name, where the connection is the session's own. */
  readonly name?: string
}

export type Query = <Row>(statement: Statement) => Promise<Row[]>

export type Connect = () => Promise<PgClient>

/** Makes clients by a connection string. */
export function byConnectionString(connectionString: string, timeoutMs: number): Connect {
  return async () => {
    const { Client } = await loadPg()
    try {
      return new Client({ application_name: "holdfast lock", connectionString, ...watched(timeoutMs) })
    } catch {
      // Its own error carries the string, with the password in it.
      throw new LockArgumentError("connectionString can't be read by pg")
    }
  }
}

/** Settings by which a connection that can't be made, or that the network has forgotten, is noticed. */
const watched = (timeoutMs: number) => ({
  connectionTimeoutMillis: timeoutMs,
  keepAlive: true,
  keepAliveInitialDelayMillis: KEEP_ALIVE,
})

interface Pg {
  Client: new (config: object) => PgClient
}

async function loadPg(): Promise<Pg> {
  try {
    const pg = (await import("pg")) as unknown as Pg & { default?: Pg }
    return pg.default ?? pg
  } catch (cause) {
    throw notLoaded(
      "pg",
      "The Postgres store needs the package pg: run `npm install pg`, or give it a pool",
      cause,
    )
  }
}

/** Makes clients beside the pool, with the pool's settings. */
export function besidePool(pool: PgPool, timeoutMs: number): Connect {
  return async () => {
    const { Client } = pool as unknown as Pg
    const { options } = pool as { options: { password?: unknown } }
    // The pool hides the password from being enumerated.
    return new Client({ ...options, password: options.password, ...watched(timeoutMs) })
  }
}

/** Ends a connection without waiting for the server, which `end` does: it may not answer any more. */
export function destroy(client: PgClient): void {
  const { connection } = client as { connection?: { stream?: { destroy(): void } } }
  client.end().catch(() => undefined)
  connection?.stream?.destroy()
}

/** The outcome of `promise`, or an error after `ms`; `onLate` then gets the value that comes late. */
export function within<T>(promise: Promise<T>, ms: number, onLate: (late: T) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    let late = false
    const timer = setTimeout(() => {
      late = true
      reject(new Error(`Postgres has not answered within ${ms} ms`))
    }, ms)
    promise.then(
      (value) => {
        clearTimeout(timer)
        if (late) onLate(value)
        else resolve(value)
      },
      (error) => {
        clearTimeout(timer)
        reject(error)
      },
    )
  })
}

/**
 * An expression that makes the server's process keep the memory of a transaction for the next one. The allocator of
 * glibc gives it back to the kernel each time, and to take it again, page by page, was two thirds of the time of a
 * pair of acquire and release on a virtual machine: 1,300 a second, and 4,200 with this. Once it has freed a piece
 * that is larger than its threshold of 128 KiB, it keeps twice as much as that (mallopt(3), M_MMAP_THRESHOLD).
 */
export const KEEP_MEMORY = "octet_length(repeat('x', 524288))"

/** What `refuseReadOnly` looks at. */
export const READ_ONLY = "current_setting('transaction_read_only') AS read_only"

/** As a server is that becomes the primary: the next connection may be to one that takes writes. */
export function refuseReadOnly(row: unknown): void {
  if ((row as { read_only?: string } | undefined)?.read_only === "on")
    throw new Error("The server takes no writes: it is a standby, or default_transaction_read_only is on")
}

/** Statements through a pool, each on a client that is given back at once. */
export function throughPool(pool: PgPool, timeoutMs: number): Query {
  const usedAt = new WeakMap<PgPoolClient, number>()
  return async <Row>(statement: Statement) => {
    const until = performance.now() + timeoutMs
    const rest = () => Math.max(until - performance.now(), 1)
    const client = await take(pool, usedAt, rest)
    try {
      const { rows } = await within(client.query(statement), rest(), () => undefined)
      usedAt.set(client, performance.now())
      client.release()
      return rows as Row[]
    } catch (error) {
      client.release(!servesAfter(error))
      throw error
    }
  }
}

/** Whether the pool can give a client at once. A job may hold its last one for longer than its own lease lasts. */
export function hasSpare({ options, idleCount = 1, totalCount = 0 }: PgPool): boolean {
  const { max = 10 } = options as { max?: number }
  return idleCount > 0 || totalCount < max
}

/** A client that serves: the network may have forgotten those that have been idle, or their server may be a standby now. */
async function take(
  pool: PgPool,
  usedAt: WeakMap<PgPoolClient, number>,
  rest: () => number,
): Promise<PgPoolClient> {
  for (;;) {
    const wasIdle = pool.idleCount !== 0
    const client = await within(pool.connect(), rest(), (late) => late.release())
    const used = usedAt.get(client)
    if (used !== undefined && performance.now() - used < QUIET) return client
    try {
      const check = client.query({ text: `SELECT ${KEEP_MEMORY}, ${READ_ONLY}` })
      const { rows } = await within(check, Math.min(rest(), CHECK_WITHIN), () => undefined)
      refuseReadOnly(rows[0])
      return client
    } catch (error) {
      client.release(true)
      // Of others that are idle each may be as old. A connection that was just made needs no check.
      if (rest() < CHECK_WITHIN || !wasIdle) throw error
    }
  }
}

/**
 * Classes of SQLSTATE of errors that are the statement's: of its data, a lock, a limit, its cancellation, a schema or
 * function that isn't there yet, a right that is missing, or ours.
 */
const OF_THE_STATEMENT = /^(22|23|40|53|54|57014|3F000|42883|42501|HF)/

/**
 * Whether the connection is fit for the next statement after an error. After one that isn't the server's own, what
 * arrives next can't be matched to a statement; and a server that is read-only or about to stop may be another one
 * on the next connection.
 */
export function servesAfter(error: unknown): boolean {
  const { code, severity } = error as { code?: unknown; severity?: unknown }
  return severity !== undefined && typeof code === "string" && OF_THE_STATEMENT.test(code)
}
