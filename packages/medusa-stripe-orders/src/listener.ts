import type { Knex } from "@medusajs/framework/mikro-orm/knex"
import { within } from "./waker"

/** How often the connection is asked whether it still lives: a network may forget it in silence. */
const CHECK_MS = 30_000
const CHECK_TIMEOUT_MS = 5_000
const RECONNECT_MS = 1_000

/** The part of a connection of `pg` that is used here. */
interface Connection {
  on(event: "notification", handler: (notification: { channel: string; payload?: string }) => void): void
  on(event: "error" | "end", handler: () => void): void
  query(sql: string): Promise<unknown>
  end(): Promise<void>
}

/** @param payload undefined where the connection is new: what was said before it was not heard */
type Handler = (payload: string | undefined) => void

/**
 * Hears what other processes say in Postgres. A connection of its own, with the store's settings, so that it takes none from
 * the store's pool. What it misses while it reconnects, or behind a pooler that forwards no notifications, each listener
 * finds by a look of its own, later.
 */
export class NotificationListener {
  readonly #db: Knex
  readonly #handlers = new Map<string, Handler>()
  #connection: Connection | undefined
  #timer: NodeJS.Timeout | undefined
  #state: "idle" | "listening" | "closed" = "idle"
  #isConnected = false

  constructor(db: Knex) {
    this.#db = db
  }

  /** Before `start`. */
  on(channel: string, handler: Handler): void {
    this.#handlers.set(channel, handler)
  }

  /** It was to listen, and does not at the moment. */
  get isDeaf(): boolean {
    return this.#state === "listening" && !this.#isConnected
  }

  /** Connects, once; the worker and the first buyer who waits both ask for it. */
  start(): void {
    if (this.#state === "idle") {
      this.#state = "listening"
      this.#listen()
    }
  }

  async #listen(): Promise<void> {
    if (this.#state === "closed") {
      return
    }
    try {
      const connection: Connection = await this.#db.client.acquireRawConnection()
      this.#connection = connection
      connection.on("notification", ({ channel, payload }) => this.#handlers.get(channel)?.(payload ?? ""))
      connection.on("error", () => this.#reconnect(connection))
      connection.on("end", () => this.#reconnect(connection))
      for (const channel of this.#handlers.keys()) {
        await connection.query(`LISTEN ${channel}`)
      }
      this.#isConnected = true
      for (const handler of this.#handlers.values()) {
        handler(undefined)
      }
      this.#check(connection)
    } catch {
      this.#reconnect(this.#connection)
    }
  }

  async close(): Promise<void> {
    this.#state = "closed"
    clearTimeout(this.#timer)
    await this.#connection?.end().catch(() => {})
  }

  #check(connection: Connection): void {
    this.#after(CHECK_MS, async () => {
      try {
        await within(CHECK_TIMEOUT_MS, connection.query("SELECT 1"))
        this.#check(connection)
      } catch {
        this.#reconnect(connection)
      }
    })
  }

  #reconnect(connection: Connection | undefined): void {
    if (this.#state === "closed" || connection !== this.#connection) {
      return
    }
    this.#connection = undefined
    this.#isConnected = false
    connection?.end().catch(() => {})
    this.#after(RECONNECT_MS, () => this.#listen())
  }

  #after(ms: number, work: () => Promise<void>): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(work, ms).unref()
  }
}
