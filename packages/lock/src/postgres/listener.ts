import { CHECK_WITHIN, QUIET } from "../store.js"
import type { Connect, PgClient, Query, Statement } from "./clients.js"
import { destroy, KEEP_MEMORY, READ_ONLY, refuseReadOnly, servesAfter, within } from "./clients.js"

const CHECK = { text: "SELECT 1" }

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
  /** When the server was last heard. */
  #heardAt = 0
  /** Whether messages arrive, and the connection is the same from one statement to the next. */
  listens = false

  constructor(options: ListenOptions) {
    this.#options = options
  }

  /** Connects, where it isn't connected. */
  open(): Promise<PgClient> {
    if (this.#client) return Promise.resolve(this.#client)
    this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined
    })
    return this.#opening
  }

  async #open(): Promise<PgClient> {
    const { connect, timeoutMs, channel } = this.#options
    const client = await connect()
    const onEnd = () => this.#lose(client)
    client.on("error", onEnd)
    client.on("end", onEnd)
    try {
      await within(client.connect(), timeoutMs, () => undefined)
      await this.#prepare(client)
      await this.#send(client, { text: `LISTEN "${channel}"` })
      this.listens = await this.#hears(client)
      if (this.#closed) throw new Error("The connection was closed while it was opened")
    } catch (error) {
      destroy(client)
      throw error
    }
    client.on("notification", (message) => {
      this.#heardAt = performance.now()
      if (message.channel === channel) this.#options.onMessage(message.payload ?? "")
    })
    this.#client = client
    client.unref?.()
    return client
  }

  async #prepare(client: PgClient): Promise<void> {
    const isolation = "set_config('default_transaction_isolation', 'read committed', false)"
    const [row] = await this.#send(client, { text: `SELECT ${isolation}, ${KEEP_MEMORY}, ${READ_ONLY}` })
    refuseReadOnly(row)
  }

  /** Behind a pooler that shares connections LISTEN gives no error, and no message ever arrives. */
  async #hears(client: PgClient): Promise<boolean> {
    const [row] = await this.#send<{ pid: number }>(client, { text: "SELECT pg_backend_pid() AS pid" })
    // The server itself sends the client its process id; a pooler sends a number of its own.
    return Number(row?.pid) === client.processID || (await this.#hearsEcho(client))
  }

  /** The message has to come while no statement runs: with an answer it might come through a shared connection too. */
  async #hearsEcho(client: PgClient): Promise<boolean> {
    let hear: (heard: true) => void = () => undefined
    const heard = new Promise<true>((resolve) => {
      hear = resolve
    })
    const listener = () => hear(true)
    client.on("notification", listener)
    const timer = new Promise<false>((resolve) => setTimeout(resolve, ECHO_WITHIN, false).unref?.())
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
    while (this.#busy) await this.#busy.catch(() => undefined)
    const answer = this.#ask<Row>(statement)
    this.#busy = answer
    try {
      return await answer
    } finally {
      this.#busy = undefined
    }
  }

  async #ask<Row>(statement: Statement): Promise<Row[]> {
    // One that doesn't answer has been dropped by this.
    if (this.#isQuiet) await this.#send(this.#client as PgClient, CHECK, CHECK_WITHIN).catch(() => undefined)
    const client = await this.open()
    client.ref?.()
    try {
      return await this.#send<Row>(client, statement)
    } finally {
      client.unref?.()
    }
  }

  /** Whether nothing has come for so long that the network may have forgotten the connection. */
  get #isQuiet(): boolean {
    return this.#client !== undefined && performance.now() - this.#heardAt > QUIET
  }

  /** Replaces a connection that has been silent for long, and is dead: messages are lost on it. */
  async check(): Promise<void> {
    if (!this.#isQuiet) return
    const client = this.#client
    await this.query(CHECK).catch(() => undefined)
    if (this.#client !== client && !this.#closed) this.#options.onEnd()
  }

  async #send<Row>(client: PgClient, statement: Statement, ms = this.#options.timeoutMs): Promise<Row[]> {
    try {
      const { rows } = await within(client.query(statement), ms, () => undefined)
      this.#heardAt = performance.now()
      return rows as Row[]
    } catch (error) {
      if (!servesAfter(error)) this.#hangUp(client)
      throw error
    }
  }

  #hangUp(client: PgClient): void {
    if (this.#client === client) this.#drop()
    destroy(client)
  }

  /** It has ended by itself. */
  #lose(client: PgClient): void {
    if (this.#client !== client) return
    this.#drop()
    if (!this.#closed) this.#options.onEnd()
  }

  #drop(): void {
    this.#client = undefined
    this.listens = false
  }

  /** Waits no longer than `ms`, and never for long, for a server that doesn't hang up in turn. */
  async close(ms = CHECK_WITHIN): Promise<void> {
    this.#closed = true
    const client = this.#client
    this.#drop()
    if (!client) return
    client.ref?.()
    await within(client.end(), Math.min(ms, CHECK_WITHIN), () => undefined).catch(() => destroy(client))
  }
}
