import { LockArgumentError, LockSetupError } from "../errors.js"

/** The part of a client of `pg` that is used, so that pg's types are no part of ours. */
export interface PgClient {
  connect(): Promise<unknown>
  query(query: object): Promise<{ rows: unknown[] }>
  end(): Promise<void>
  on(event: string, listener: (argument: { channel?: string; payload?: string }) => void): unknown
  removeListener(event: string, listener: (argument: { channel?: string; payload?: string }) => void): unknown
  ref?(): void
  unref?(): void
  readonly processID?: number | null
}

export interface PgPoolClient extends Pick<PgClient, "query"> {
  release(destroy?: boolean | Error): void
}

/** A pool of `pg`. */
export interface PgPool {
  connect(): Promise<PgPoolClient>
  readonly options: object
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
      const config = { connectionString, connectionTimeoutMillis: timeoutMs, keepAlive: true }
      return new Client({ application_name: "holdfast lock", ...config })
    } catch {
      // Its own error carries the string, with the password in it.
      throw new LockArgumentError("connectionString can't be read by pg")
    }
  }
}

interface Pg {
  Client: new (config: object) => PgClient
}

async function loadPg(): Promise<Pg> {
  try {
    const pg = (await import("pg")) as unknown as Pg & { default?: Pg }
    return pg.default ?? pg
  } catch (cause) {
    throw new LockSetupError(
      "The Postgres store needs the package pg: run `npm install pg`, or give it a pool",
      undefined,
      { cause },
    )
  }
}

/** Makes clients beside the pool, with the pool's settings. */
export function besidePool(pool: PgPool, timeoutMs: number): Connect {
  return async () => {
    const { Client } = pool as unknown as Pg
    const { options } = pool as { options: { password?: unknown } }
    // The pool hides the password from being enumerated.
    const config = {
      ...options,
      password: options.password,
      connectionTimeoutMillis: timeoutMs,
      keepAlive: true,
    }
    return new Client(config)
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

/** Statements through a pool, each on a client that is given back at once. */
export function throughPool(pool: PgPool, timeoutMs: number): Query {
  const known = new WeakSet<PgPoolClient>()
  return async <Row>(statement: Statement) => {
    const started = performance.now()
    const client = await within(pool.connect(), timeoutMs, (late) => late.release())
    const rest = Math.max(timeoutMs - (performance.now() - started), 1)
    const put = async () => {
      if (!known.has(client)) await client.query({ text: `SELECT ${KEEP_MEMORY}` })
      known.add(client)
      return client.query(statement)
    }
    try {
      const { rows } = await within(put(), rest, () => undefined)
      client.release()
      return rows as Row[]
    } catch (error) {
      // An error without an SQLSTATE is the connection's, and what arrives on it next can't be trusted.
      client.release(typeof (error as { code?: unknown }).code !== "string" || isBroken(error))
      throw error
    }
  }
}

function isBroken(error: unknown): boolean {
  return !("severity" in (error as object))
}
