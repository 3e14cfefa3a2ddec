import { administer } from "@holdfast/postgres-local"
import { type Knex, knex } from "@medusajs/framework/mikro-orm/knex"
import type { Migration } from "@medusajs/framework/mikro-orm/migrations"
import { inject } from "vitest"
import { Migration20261124044229 as First } from "../src/modules/stripe-orders/migrations/Migration20261124044229"
import { Migration20261127190000 as StateMachine } from "../src/modules/stripe-orders/migrations/Migration20261127190000"
import { Migration20261128030000 as WaysToBuy } from "../src/modules/stripe-orders/migrations/Migration20261128030000"
import { type EventConcern, type IncomingEvent, receiveEvents } from "../src/payments/inbox"
import type { PaymentRow } from "../src/payments/payments"

export { First, StateMachine, WaysToBuy }

/** In their order. */
export const ALL = [First, StateMachine, WaysToBuy] as const

let made = 0

/** The plugin's tables in a database of their own, and what tests ask of them. */
export class Tables {
  private constructor(
    readonly db: Knex,
    readonly close: () => Promise<void>,
  ) {}

  /** An empty database, on which `migrations` are run. */
  static async open(...migrations: (new (...none: never[]) => Migration)[]): Promise<Tables> {
    const urlOf = (database = "postgres") =>
      Object.assign(new URL(inject("pluginPostgresUrl")), { pathname: database }).href
    const postgres = administer(urlOf)
    const name = `tables_${process.pid}_${made++}`
    const connection = await postgres.createDatabase(name)
    const db = knex({ client: "pg", connection, pool: { min: 0, max: 20 } })
    const tables = new Tables(db, async () => {
      await db.destroy()
      await postgres.dropDatabase(name)
    })
    for (const migration of migrations) {
      await tables.migrate(migration)
    }
    return tables
  }

  /** As Medusa runs a migration: its statements in one transaction. */
  async migrate(
    migration: new (...none: never[]) => Migration,
    direction: "up" | "down" = "up",
  ): Promise<void> {
    const made = new (migration as new () => Migration)()
    await made[direction]()
    await this.db.transaction(async (trx) => {
      for (const sql of made.getQueries()) {
        await trx.raw((sql as string).replaceAll("?", "\\?"))
      }
    })
  }

  async rows<T = Record<string, unknown>>(sql: string, values: unknown[] = []): Promise<T[]> {
    return (await this.db.raw(sql, values as Knex.RawBinding[])).rows
  }

  /** Makes the payment's row; what is left out is the database's default. */
  async insert(id: string, columns: Record<string, unknown> = {}): Promise<void> {
    await this.db("stripe_payment").insert({ id, ...columns })
  }

  async payment(id: string): Promise<PaymentRow & Record<string, unknown>> {
    const [row] = await this.rows<PaymentRow & Record<string, unknown>>(
      "SELECT * FROM stripe_payment WHERE id = ?",
      [id],
    )
    if (!row) {
      throw new Error(`There is no row of ${id}`)
    }
    return row
  }

  /** Whether it is due at this moment, by the database's clock. */
  async isDue(id: string): Promise<boolean> {
    const [row] = await this.rows<{ due: boolean }>(
      "SELECT due_at <= clock_timestamp() AS due FROM stripe_payment WHERE id = ?",
      [id],
    )
    return row?.due ?? false
  }

  async timeline(id: string): Promise<{ kind: string; actor: string; status: string; text: string }[]> {
    return await this.rows(
      "SELECT kind, actor, status, text, data FROM stripe_timeline WHERE payment_intent_id = ? ORDER BY id",
      [id],
    )
  }

  async empty(): Promise<void> {
    await this.db.raw(
      "TRUNCATE stripe_payment, stripe_event, stripe_timeline, stripe_lease, stripe_cursor, stripe_outbox",
    )
  }
}

/** One event by itself, as it comes when it is quiet. */
export async function receiveOne(
  db: Knex,
  event: IncomingEvent,
  concern: EventConcern | null,
): Promise<void> {
  await receiveEvents(db, [{ event, concern }])
}
