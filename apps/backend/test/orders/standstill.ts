import type { StripeShop } from "./stripe-shop.ts"

/** Takes database locks by `sql`: statements that need them wait. Returns a function that releases them. */
export async function hold(shop: StripeShop, sql: string): Promise<() => Promise<void>> {
  const client = await shop.db.connect()
  await client.query("BEGIN")
  await client.query(sql)
  return async () => {
    await client.query("ROLLBACK")
    client.release()
  }
}

/** Resolves when the shop waits for a database lock, of that `type` if one is given. */
export function untilItWaits(shop: StripeShop, type?: "advisory"): Promise<unknown> {
  const where = `wait_event_type = 'Lock'${type ? ` AND wait_event = '${type}'` : ""}`
  return shop.until(`the shop to wait in the database (${where})`, async () => {
    const waiting = await shop.count(`pg_stat_activity WHERE datname = current_database() AND ${where}`)
    return waiting > 0 || undefined
  })
}
