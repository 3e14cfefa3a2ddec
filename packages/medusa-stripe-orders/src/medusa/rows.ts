import type { Knex } from "@medusajs/framework/mikro-orm/knex"
import { BigNumber } from "@medusajs/framework/utils"

/**
 * Rows of Medusa's tables, written as Medusa's modules write them, with one statement a table for a whole batch. The
 * modules' own services cost 5 to 45 ms of CPU an order for the same rows.
 */
export type Row = Record<string, unknown>

/** Medusa keeps each amount twice: as a number and, exactly, as jsonb. */
export function amount(column: string, value: number): Row {
  const { numeric, raw } = new BigNumber(value)
  // Medusa's models write 12.99 so, and not as 12.990000000000000000, which is the same.
  const plain = String(raw?.value)
    .replace(/(\.\d*?)0+$/, "$1")
    .replace(/\.$/, "")
  return { [column]: numeric, [`raw_${column}`]: JSON.stringify({ ...raw, value: plain }) }
}

/**
 * Writes rows as a module's model would take them: fields that the table does not have are left out, amounts are written
 * twice, and JSON is written as such. So a column that another version of Medusa adds or lacks does no harm.
 */
export async function insertRows(sql: Knex.Transaction, table: string, rows: Row[]): Promise<void> {
  if (rows.length > 0) {
    const columns = await columnsOf(sql, table)
    await sql(table).insert(rows.map((row) => toColumns(row, columns)))
  }
}

/** The type of each column. */
type Columns = Map<string, string>

const known = new Map<string, Columns>()

async function columnsOf(sql: Knex.Transaction, table: string): Promise<Columns> {
  const columns = known.get(table) ?? (await readColumns(sql, table))
  known.set(table, columns)
  return columns
}

async function readColumns(sql: Knex.Transaction, table: string): Promise<Columns> {
  const { rows } = await sql.raw(
    `SELECT attname AS name, atttypid::regtype::text AS type FROM pg_attribute
      WHERE attrelid = CAST(? AS regclass) AND attnum > 0 AND NOT attisdropped`,
    [`"${table}"`],
  )
  return new Map(rows.map(({ name, type }: { name: string; type: string }) => [name, type]))
}

function toColumns(row: Row, columns: Columns): Row {
  const written: Row = {}
  for (const [name, value] of Object.entries(row)) {
    const type = columns.get(name)
    if (type === undefined || value === undefined || name.startsWith("raw_")) {
      continue
    }
    if (value !== null && columns.has(`raw_${name}`)) {
      Object.assign(written, amount(name, value as number))
    } else {
      written[name] = value !== null && type === "jsonb" ? JSON.stringify(value) : value
    }
  }
  return written
}
