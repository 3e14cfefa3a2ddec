import { createHash } from "node:crypto"
import { checkName } from "./arguments.js"
import { LockArgumentError, LockFencedError, LockSetupError } from "./errors.js"
import type { Lease } from "./lease.js"
import { namesOf } from "./postgres/names.js"
import { grantSql, isDenied } from "./postgres/rights.js"
import { fenceTable } from "./postgres/tables.js"

export { LockFencedError } from "./errors.js"

/** Runs one statement in the caller's transaction, with `$1`, `$2` … for its parameters, and returns the rows. */
export type Execute = (sql: string, parameters: unknown[]) => Promise<unknown[]>

/** A transaction: a client of `pg` after BEGIN, a transaction of knex, an EntityManager of MikroORM in one, or a function. */
export type Transaction = Execute | PgTransaction | KnexTransaction | MikroTransaction

interface PgTransaction {
  query(sql: string, parameters: unknown[]): Promise<{ rows: unknown[] }>
}

interface KnexTransaction {
  raw(sql: string, bindings: readonly unknown[]): PromiseLike<unknown>
  readonly isTransaction?: boolean | undefined
}

interface MikroTransaction {
  execute(sql: string, parameters: unknown[]): Promise<unknown>
  isInTransaction(): boolean
}

/** The lease of a writer, or its keys and their tokens where the lease is elsewhere. */
export type Held = Pick<Lease, "keys" | "tokenOf"> | Readonly<Record<string, bigint>>

export interface FenceOptions {
  /** Where the newest tokens are kept, in the database that is written to. `holdfast_lock` by default. */
  schema?: string | undefined
}

/**
 * Refuses a writer whose lease is not the newest: to be called in the transaction that writes, before it writes.
 *
 * Remembers the token of each key if none newer has been here, and keeps other writers under these keys out until the
 * transaction ends. Throws `LockFencedError` where a newer one has been here: roll back then. Throws
 * `LockSetupError` where the table is missing, and `LockArgumentError` for what is no transaction.
 */
export async function fence(transaction: Transaction, held: Held, options: FenceOptions = {}): Promise<void> {
  const { schema } = namesOf(options.schema ?? "holdfast_lock")
  const tokens = tokensOf(held)
  const execute = executeIn(transaction)
  // As JSON: lists are not the same to all who pass parameters on.
  const rows = [...tokens].map(([key, token]) => ({ id: idOf(key), key, token: String(token) }))
  const passed = await remember(execute, schema, JSON.stringify(rows))
  if (passed.length < rows.length) await refuse(execute, schema, tokens, passed)
}

/** Makes the table that `fence` needs, if it isn't there; the Postgres store makes it too. */
export async function installFence(
  database: Execute | PgTransaction | KnexTransaction,
  options: FenceOptions = {},
): Promise<void> {
  const execute = isFunction(database) ? database : executeBy(database)
  await execute(fenceSql(options.schema), [])
}

/** The SQL that makes that table, for a migration. */
export function fenceSql(schema = "holdfast_lock"): string {
  return fenceTable(namesOf(schema))
}

function tokensOf(held: Held): Map<string, bigint> {
  const isLease = typeof (held as Lease).tokenOf === "function"
  const keys = isLease ? (held as Lease).keys : Object.keys(held)
  if (keys.length === 0) throw new LockArgumentError("There must be a key to fence")
  const tokens = new Map<string, bigint>()
  for (const key of keys) {
    const token = isLease ? (held as Lease).tokenOf(key) : (held as Record<string, bigint>)[key]
    if (typeof token !== "bigint")
      throw new LockArgumentError(`The token of ${JSON.stringify(key)} must be a bigint`)
    tokens.set(checkName("key", key), token)
  }
  return tokens
}

/** A key of 1,024 characters is too long for an index. Where two had the same hash, the later one would be refused. */
const idOf = (key: string) => createHash("sha256").update(key).digest("hex")

/**
 * Returns the ids of the keys whose token is not older. The statement waits for a row that another transaction writes,
 * and sees what that one commits; the order of the ids keeps two with the same keys from waiting for each other.
 */
async function remember(execute: Execute, schema: string, held: string): Promise<string[]> {
  const sql = `
    INSERT INTO ${schema}.fence AS newest (id, key, token)
    SELECT held.id, held.key, held.token FROM json_to_recordset($1::json) AS held (id text, key text, token bigint)
    ORDER BY held.id
    ON CONFLICT (id) DO UPDATE SET token = excluded.token
      WHERE newest.token <= excluded.token AND newest.key = excluded.key
    RETURNING id`
  try {
    return ((await execute(sql, [held])) as { id: string }[]).map(({ id }) => id)
  } catch (cause) {
    if (isDenied(cause))
      throw new LockSetupError(
        `This role may not write to ${schema}.fence. Let its owner run this error's \`sql\` with the role's name`,
        grantSql(schema, "<role>"),
        { cause },
      )
    if (!["42P01", "3F000"].includes((cause as { code?: string }).code ?? "")) throw cause
    throw new LockSetupError(
      `There is no table ${schema}.fence in this database: run installFence, or this error's \`sql\`, once`,
      fenceTable({ schema }),
      { cause },
    )
  }
}

async function refuse(
  execute: Execute,
  schema: string,
  tokens: Map<string, bigint>,
  passed: readonly string[],
): Promise<never> {
  const [key = "", token = 0n] = [...tokens].find(([key]) => !passed.includes(idOf(key))) ?? []
  const sql = `SELECT newest.token::text AS token FROM ${schema}.fence newest WHERE newest.id = $1`
  const [row] = (await execute(sql, [idOf(key)])) as { token: string }[]
  throw new LockFencedError(key, token, BigInt(row?.token ?? 0))
}

/** A knex is a function as well. */
const isFunction = (given: Transaction): given is Execute => typeof given === "function" && !("raw" in given)

function executeIn(transaction: Transaction): Execute {
  const notOne = (what: string) =>
    new LockArgumentError(`fence needs a transaction, not ${what}: it guards what is written in the same one`)
  if (isFunction(transaction)) return transaction
  if ("totalCount" in transaction) throw notOne("a pool")
  if ("raw" in transaction && transaction.isTransaction !== true)
    throw notOne("a knex that is outside of one")
  if ("isInTransaction" in transaction && !transaction.isInTransaction())
    throw notOne("an EntityManager that is outside of one")
  return executeBy(transaction)
}

function executeBy(database: Exclude<Transaction, Execute>): Execute {
  if ("raw" in database)
    return async (sql, parameters) => rowsOf(await database.raw(...positional(sql, parameters)))
  if ("execute" in database)
    return async (sql, parameters) => rowsOf(await database.execute(...positional(sql, parameters)))
  if ("query" in database) return async (sql, parameters) => rowsOf(await database.query(sql, parameters))
  throw new LockArgumentError(
    "fence needs a transaction of pg, knex or MikroORM, or a function that executes a statement",
  )
}

/** knex and MikroORM count question marks. Each parameter is named once, in order. */
const positional = (sql: string, parameters: unknown[]): [string, unknown[]] => [
  sql.replaceAll(/\$\d+/g, "?"),
  parameters,
]

const rowsOf = (result: unknown): unknown[] =>
  Array.isArray(result) ? result : (result as { rows: unknown[] }).rows
