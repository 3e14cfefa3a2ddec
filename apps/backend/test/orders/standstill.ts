import type { StripeShop } from "./stripe-shop.ts"

/** Takes locks of the database by `sql`, so that whoever needs them stands still. Returns what gives them back. */
export async function hold(shop: StripeShop, sql: string): Promise<() => Promise<void>> {
  const client = await shop.db.connect()
  await client.query("BEGIN")
  await client.query(sql)
  return async () => {
    await client.query("ROLLBACK")
    client.release()
  }
}

/** Until the shop waits for a lock of the database, of that `type` where one is given. */
export function untilItWaits(shop: StripeShop, type?: "advisory"): Promise<unknown> {
  const where = `wait_event_type = 'Lock'${type ? ` AND wait_event = '${type}'` : ""}`
  return shop.until(`the shop to wait in the database (${where})`, async () => {
    const waiting = await shop.count(`pg_stat_activity WHERE datname = current_database() AND ${where}`)
    return waiting > 0 || undefined
  })
}
