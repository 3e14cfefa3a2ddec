import { createHash } from "node:crypto"
import { LockArgumentError } from "../errors.js"

/** What the SQL of one lock space is made with. None of it comes with a question. */
export interface Names {
  readonly schema: string
  /** The advisory lock under which everything happens. */
  readonly latch: string
  /** The time in ms, as an expression. */
  readonly clock: string
}

export function namesOf(schema: string, clock = "date_part('epoch', clock_timestamp()) * 1000"): Names {
  if (!/^[a-z_][a-z0-9_]{0,62}$/.test(schema))
    throw new LockArgumentError(
      `schema must be 1 to 63 of a-z, 0-9 and _, without a digit in front, not ${JSON.stringify(schema)}`,
    )
  const hash = createHash("sha256").update(`holdfast lock ${schema}`).digest()
  return { schema, latch: String(hash.readBigInt64BE()), clock }
}

/** That two columns hold the same key, by way of the index that holds the beginnings of the keys. */
export const sameKey = (row: string, key: string) =>
  `left(${row}.key, 512) = left(${key}, 512) AND ${row}.key = ${key}`
