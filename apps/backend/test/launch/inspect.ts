import { setTimeout as sleep } from "node:timers/promises"
import pg from "pg"
import { urlOf } from "../setup/shop.ts"

export async function rows<T>(url: string, sql: string, values: unknown[] = []): Promise<T[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query(sql, values)).rows as T[]
  } finally {
    await client.end()
  }
}

export async function count(url: string, sql: string, values: unknown[] = []): Promise<number> {
  return Number((await rows<{ count: string }>(url, `SELECT count(*) FROM ${sql}`, values))[0]?.count)
}

export function connectionsTo(url: string): Promise<number> {
  return count(urlOf(), "pg_stat_activity WHERE datname = $1", [new URL(url).pathname.slice(1)])
}

/** Polls; a query that fails because its table doesn't exist yet counts as false. */
export async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition().catch(() => false))) await sleep(20)
}
