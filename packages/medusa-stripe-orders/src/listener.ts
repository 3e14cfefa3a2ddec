import type { Knex } from "@medusajs/framework/mikro-orm/knex"
import { type Due, WAKE_CHANNEL } from "./payments/queue"

/** How often the connection is asked whether it still lives: a network may forget it in silence. */
const CHECK_MS = 30_000
const CHECK_TIMEOUT_MS = 5_000
const RECONNECT_MS = 1_000

/** The part of a connection of `pg` that is used here. */
interface Connection {
  on(event: "notification", handler: (notification: { payload?: string }) => void): void
  on(event: "error" | "end", handler: () => void): void
  query(sql: string): Promise<unknown>
  end(): Promise<void>
}

/**
 * Hears when something is due, from whichever process. A connection of its own, with the store's settings, so that it
 * takes none from the store's pool. What it misses while it reconnects, or behind a pooler that forwards no
 * notifications, the worker's timer finds within half a second.
 */
export class DueListener {
  readonly #db: Knex
  readonly #onDue: (due: Due) => void
  #connection: Connection | undefined
  #timer: NodeJS.Timeout | undefined
  #isClosed = false

  constructor(db: Knex, onDue: (due: Due) => void) {
    this.#db = db
    this.#onDue = onDue
  }

  async listen(): Promise<void> {
    if (this.#isClosed) {
      return
    }
    try {
      const connection: Connection = await this.#db.client.acquireRawConnection()
      this.#connection = connection
      connection.on("notification", ({ payload }) =>
        this.#onDue(payload === "a decision" ? payload : "anything"),
      )
      connection.on("error", () => this.#reconnect(connection))
      connection.on("end", () => this.#reconnect(connection))
      await connection.query(`LISTEN ${WAKE_CHANNEL}`)
      this.#onDue("anything")
      this.#check(connection)
    } catch {
      this.#reconnect(this.#connection)
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#timer)
    await this.#connection?.end().catch(() => {})
  }

  #check(connection: Connection): void {
    this.#after(CHECK_MS, async () => {
      try {
        await answered(connection.query("SELECT 1"))
        this.#check(connection)
      } catch {
        this.#reconnect(connection)
      }
    })
  }

  #reconnect(connection: Connection | undefined): void {
    if (this.#isClosed || connection !== this.#connection) {
      return
    }
    this.#connection = undefined
    connection?.end().catch(() => {})
    this.#after(RECONNECT_MS, () => this.listen())
  }

  #after(ms: number, work: () => Promise<void>): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(work, ms).unref()
  }
}

async function answered(query: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error("no answer")), CHECK_TIMEOUT_MS)
  })
  await Promise.race([query, late]).finally(() => clearTimeout(timer))
}
