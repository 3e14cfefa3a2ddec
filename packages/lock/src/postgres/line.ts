import type { Connect, PgClient, Query, Statement } from "./connection.js"
import { KEEP_MEMORY, within } from "./connection.js"

/** How long a notification to ourselves may take, in ms. */
const ECHO_WITHIN = 1_000

export interface LineOptions {
  readonly connect: Connect
  readonly channel: string
  /** How long to wait for any answer, in ms. */
  readonly patience: number
  readonly onMessage: (payload: string) => void
  /** The connection has ended by itself. */
  readonly onEnd: () => void
  /** A way to the same server that is not this connection; another one is opened where there is none. */
  readonly others?: Query
}

/** The one connection of a session that it keeps: for LISTEN, and for its statements where it has no pool. */
export class Line {
  readonly #options: LineOptions
  #opening: Promise<PgClient> | undefined
  #client: PgClient | undefined
  #busy: Promise<unknown> | undefined
  #closed = false
  /** Whether messages come through, and the connection is the same from one statement to the next. */
  listens = false

  constructor(options: LineOptions) {
    this.#options = options
  }

  /** Connects, where it isn't connected. */
  open(): Promise<PgClient> {
    this.#opening ??= this.#open().catch((error) => {
      this.#opening = undefined
      throw error
    })
    return this.#opening
  }

  async #open(): Promise<PgClient> {
    const { connect, patience, onEnd, channel } = this.#options
    const client = await connect()
    const end = () => {
      if (this.#client !== client && this.#client !== undefined) return
      this.#drop()
      if (!this.#closed) onEnd()
    }
    client.on("error", end)
    client.on("end", end)
    try {
      await within(client.connect(), patience, () => undefined)
      const isolation = "set_config('default_transaction_isolation', 'read committed', false)"
      await this.#send(client, { text: `SELECT ${isolation}, ${KEEP_MEMORY}` })
      await this.#send(client, { text: `LISTEN "${channel}"` })
      this.listens = await this.#hears(client)
    } catch (error) {
      void client.end().catch(() => undefined)
      throw error
    }
    client.on("notification", (message) => {
      if (message.channel === channel) this.#options.onMessage(message.payload ?? "")
    })
    this.#client = client
    client.unref?.()
    return client
  }

  /** Behind a pooler that shares connections LISTEN gives no error, and no message ever. */
  async #hears(client: PgClient): Promise<boolean> {
    const [row] = await this.#send<{ pid: number }>(client, { text: "SELECT pg_backend_pid() AS pid" })
    // The server itself told the client its process; a pooler tells a number of its own.
    return row?.pid === client.processID || (await this.#hearsEcho(client))
  }

  /** The message has to come while nothing is asked: with an answer it might come through a shared connection too. */
  async #hearsEcho(client: PgClient): Promise<boolean> {
    let hear: (heard: true) => void = () => undefined
    const heard = new Promise<true>((resolve) => {
      hear = resolve
    })
    const listener = () => hear(true)
    client.on("notification", listener)
    const timer = new Promise<false>((resolve) => setTimeout(resolve, ECHO_WITHIN, false).unref())
    try {
      await this.#notify()
      return await Promise.race([heard, timer])
    } catch {
      return false
    } finally {
      client.removeListener("notification", listener)
    }
  }

  async #notify(): Promise<void> {
    const { channel, others, connect, patience } = this.#options
    const statement = { text: "SELECT pg_notify($1, '')", values: [channel] }
    if (others) return void (await others(statement))
    const client = await connect()
    client.on("error", () => undefined)
    try {
      await within(client.connect(), Math.min(ECHO_WITHIN, patience), () => undefined)
      await this.#send(client, statement)
    } finally {
      void client.end().catch(() => undefined)
    }
  }

  /** One statement after the other. */
  query = async <Row>(statement: Statement): Promise<Row[]> => {
    const client = this.#client ?? (await this.open())
    while (this.#busy) await this.#busy.catch(() => undefined)
    client.ref?.()
    const answer = this.#send<Row>(client, statement)
    this.#busy = answer
    try {
      return await answer
    } finally {
      this.#busy = undefined
      client.unref?.()
    }
  }

  async #send<Row>(client: PgClient, statement: Statement): Promise<Row[]> {
    const late = () => undefined
    try {
      const { rows } = await within(client.query(statement), this.#options.patience, late)
      return rows as Row[]
    } catch (error) {
      if (!("severity" in (error as object))) this.#hangUp(client)
      throw error
    }
  }

  /** What comes through it after an answer that never came belongs to nobody. */
  #hangUp(client: PgClient): void {
    if (this.#client === client) this.#drop()
    void client.end().catch(() => undefined)
  }

  #drop(): void {
    this.#client = undefined
    this.#opening = undefined
    this.listens = false
  }

  async close(): Promise<void> {
    this.#closed = true
    const client = await this.#opening?.catch(() => undefined)
    this.#drop()
    client?.ref?.()
    await client?.end().catch(() => undefined)
  }
}
