import { createHash } from "node:crypto"
import { LockArgumentError } from "../errors.js"

/** The names in the SQL of one lock space. None of them comes from a batch. */
export interface Names {
  /** Quoted, since it may be a reserved word. */
  readonly schema: string
  /** The id of the advisory lock under which every command runs. */
  readonly advisoryLock: string
  /** The time in ms, as an expression. */
  readonly clock: string
}

/** Whether it can name a lock space: 1 to 63 of a-z, 0-9 and _, without a digit in front. */
export function isSchema(name: unknown): name is string {
  return typeof name === "string" && /^[a-z_][a-z0-9_]{0,62}$/.test(name)
}

export function namesOf(schema: string, clock = "date_part('epoch', clock_timestamp()) * 1000"): Names {
  if (!isSchema(schema))
    throw new LockArgumentError(
      `schema must be 1 to 63 of a-z, 0-9 and _, without a digit in front, not ${JSON.stringify(schema)}`,
    )
  const hash = createHash("sha256").update(`holdfast lock ${schema}`).digest()
  return { schema: `"${schema}"`, advisoryLock: String(hash.readBigInt64BE()), clock }
}

/** Compares two columns with keys, by the index that holds the beginnings of the keys. */
export const sameKey = (row: string, key: string) =>
  `left(${row}.key, 512) = left(${key}, 512) AND ${row}.key = ${key}`
