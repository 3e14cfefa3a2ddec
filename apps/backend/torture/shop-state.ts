import { setTimeout as sleep } from "node:timers/promises"
import { isAtRest } from "@holdfast/medusa-stripe-orders/payments/states"
import pg from "pg"

interface Row {
  id: string
  status: string
  orderId: string | null
}

const POLL_MS = 500

/** Looks into the shop's database while it works, which may be down. */
export class ShopState {
  readonly #pool: pg.Pool
  #last = ""
  #since = performance.now()

  constructor(databaseUrl: string) {
    this.#pool = new pg.Pool({ connectionString: databaseUrl, max: 2 })
    this.#pool.on("error", () => {})
  }

  readonly isAtRest = isAtRest

  rows(ids: string[]): Promise<Row[]> {
    return this.#rows<Row>(
      `SELECT id, status, order_id AS "orderId" FROM stripe_payment WHERE id = ANY ($1)`,
      [ids],
    )
  }

  /** How many payments are in each state. */
  async counts(): Promise<Record<string, number>> {
    const rows = await this.#rows<{ status: string; n: number }>(
      "SELECT status, count(*)::int AS n FROM stripe_payment GROUP BY status ORDER BY status",
    )
    const counts = Object.fromEntries(rows.map(({ status, n }) => [status, n]))
    const now = JSON.stringify(counts)
    if (now !== this.#last) [this.#last, this.#since] = [now, performance.now()]
    return counts
  }

  /** For how many ms the counts have stayed the same. */
  stalledFor(): number {
    return performance.now() - this.#since
  }

  /** Waits until nothing is due for some seconds, or until `limitMs` have passed. */
  async quiet(limitMs: number, forMs: number): Promise<void> {
    const end = performance.now() + limitMs
    let since = performance.now()
    while (performance.now() - since < forMs && performance.now() < end) {
      await sleep(POLL_MS)
      const counts = await this.counts()
      const open = Object.keys(counts).some((status) => !isAtRest(status))
      if (open || this.stalledFor() < POLL_MS) since = performance.now()
    }
  }

  close(): Promise<void> {
    return this.#pool.end()
  }

  /** Nothing, while the database is down. */
  async #rows<T>(sql: string, values: unknown[] = []): Promise<T[]> {
    return await this.#pool.query(sql, values).then(
      ({ rows }) => rows as T[],
      () => [],
    )
  }
}
