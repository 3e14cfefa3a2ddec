import type { Connect, PgClient, Query, Statement } from "./clients.js"
import { destroy, KEEP_MEMORY, within } from "./clients.js"

/** How long a notification to ourselves may take, in ms. */
const ECHO_WITHIN = 1_000

export interface ListenOptions {
  readonly connect: Connect
  readonly channel: string
  /** How long to wait for any answer, in ms. */
  readonly timeoutMs: number
  readonly onMessage: (payload: string) => void
  /** The connection has ended by itself. */
  readonly onEnd: () => void
  /** Queries the same server through other connections than this one; without it, another one is opened. */
  readonly others?: Query
}

/** The one connection of a session that it keeps: for LISTEN, and for its statements where it has no pool. */
export class ListenConnection {
  readonly #options: ListenOptions
  #opening: Promise<PgClient> | undefined
  #client: PgClient | undefined
  #busy: Promise<unknown> | undefined
  #closed = false
  /** Whether messages arrive, and the connection is the same from one statement to the next. */
  listens = false

  constructor(options: ListenOptions) {
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
    const { connect, timeoutMs, onEnd, channel } = this.#options
    const client = await connect()
    const end = () => {
      if (this.#client !== client && this.#client !== undefined) return
      this.#drop()
      if (!this.#closed) onEnd()
    }
    client.on("error", end)
    client.on("end", end)
    try {
      await within(client.connect(), timeoutMs, () => undefined)
      const isolation = "set_config('default_transaction_isolation', 'read committed', false)"
      await this.#send(client, { text: `SELECT ${isolation}, ${KEEP_MEMORY}` })
      await this.#send(client, { text: `LISTEN "${channel}"` })
      this.listens = await this.#hears(client)
      if (this.#closed) throw new Error("The connection was closed while it was opened")
    } catch (error) {
      destroy(client)
      throw error
    }
    client.on("notification", (message) => {
      if (message.channel === channel) this.#options.onMessage(message.payload ?? "")
    })
    this.#client = client
    client.unref?.()
    return client
  }

  /** Behind a pooler that shares connections LISTEN gives no error, and no message ever arrives. */
  async #hears(client: PgClient): Promise<boolean> {
    const [row] = await this.#send<{ pid: number }>(client, { text: "SELECT pg_backend_pid() AS pid" })
    // The server itself sends the client its process id; a pooler sends a number of its own.
    return row?.pid === client.processID || (await this.#hearsEcho(client))
  }

  /** The message has to come while no statement runs: with an answer it might come through a shared connection too. */
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
    const { channel, others, connect, timeoutMs } = this.#options
    const statement = { text: "SELECT pg_notify($1, '')", values: [channel] }
    if (others) return void (await others(statement))
    const client = await connect()
    client.on("error", () => undefined)
    try {
      await within(client.connect(), Math.min(ECHO_WITHIN, timeoutMs), () => undefined)
      await this.#send(client, statement)
    } finally {
      destroy(client)
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
      const { rows } = await within(client.query(statement), this.#options.timeoutMs, late)
      return rows as Row[]
    } catch (error) {
      if (!("severity" in (error as object))) this.#hangUp(client)
      throw error
    }
  }

  /** After an answer that never came, what still arrives on the connection can't be matched to a statement. */
  #hangUp(client: PgClient): void {
    if (this.#client === client) this.#drop()
    destroy(client)
  }

  #drop(): void {
    this.#client = undefined
    this.#opening = undefined
    this.listens = false
  }

  /** A server that doesn't hang up in turn is waited for no longer than `ms`. */
  async close(ms = this.#options.timeoutMs): Promise<void> {
    this.#closed = true
    const client = this.#client
    this.#drop()
    if (!client) return
    client.ref?.()
    await within(client.end(), ms, () => undefined).catch(() => destroy(client))
  }
}
