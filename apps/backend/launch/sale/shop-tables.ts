import pg from "pg"
import { readStock, type StockLevel } from "../stock.ts"

export interface Order {
  id: string
  /** The payment intents that the order is linked to. */
  intents: string[]
  /** The order's total in the currency's main unit, not rounded. */
  total: number
  /** Units of the hot variant in the order. */
  hot: number
}

export interface PaymentState {
  id: string
  status: string
  reason: string | null
}

/** Reads Medusa's own tables. The plugin's table serves only to know when it has finished. */
export class ShopTables {
  readonly #pool: pg.Pool

  constructor(databaseUrl: string) {
    this.#pool = new pg.Pool({ connectionString: databaseUrl, max: 2 })
    this.#pool.on("error", () => {})
  }

  async #rows<T>(sql: string, values: unknown[] = []): Promise<T[]> {
    return (await this.#pool.query(sql, values)).rows as T[]
  }

  /** Orders whose e-mail address ends in the domain, canceled ones left out. */
  orders(domain: string, hotVariantId: string): Promise<Order[]> {
    return this.#rows<Order>(
      `SELECT o.id,
              array(SELECT DISTINCT p.data->>'id'
                      FROM order_payment_collection l
                      JOIN payment p ON p.payment_collection_id = l.payment_collection_id AND p.deleted_at IS NULL
                     WHERE l.order_id = o.id AND l.deleted_at IS NULL) AS intents,
              (SELECT (s.totals->>'current_order_total')::float8
                 FROM order_summary s
                WHERE s.order_id = o.id AND s.version = o.version AND s.deleted_at IS NULL) AS total,
              (SELECT COALESCE(sum(i.quantity), 0)::float8
                 FROM order_item i JOIN order_line_item li ON li.id = i.item_id
                WHERE i.order_id = o.id AND i.version = o.version AND i.deleted_at IS NULL
                  AND li.variant_id = $2) AS hot
         FROM "order" o
        WHERE o.email LIKE '%@' || $1 AND o.canceled_at IS NULL AND o.deleted_at IS NULL`,
      [domain, hotVariantId],
    )
  }

  async countOrders(domain: string): Promise<number> {
    const sql = `SELECT count(*)::int AS n FROM "order" WHERE email LIKE '%@' || $1 AND canceled_at IS NULL`
    return (await this.#rows<{ n: number }>(sql, [domain]))[0]?.n ?? 0
  }

  payments(intents: string[]): Promise<PaymentState[]> {
    return this.#rows<PaymentState>("SELECT id, status, reason FROM stripe_payment WHERE id = ANY ($1)", [
      intents,
    ])
  }

  levels(): Promise<StockLevel[]> {
    return readStock(this.#pool)
  }

  /** How many units can still be sold. */
  async available(sku: string): Promise<number> {
    const level = (await this.levels()).find((one) => one.sku === sku)
    return level ? level.stocked - level.reserved : 0
  }

  close(): Promise<void> {
    return this.#pool.end()
  }
}
