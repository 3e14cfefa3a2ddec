import { randomBytes } from "node:crypto"
import { once } from "node:events"
import type { Cluster, Redis } from "ioredis"
import { type TimerEntry, TimerQueue } from "../timer-queue.js"
import { SCRIPT, SHA } from "./script.js"

export type RedisClient = Redis | Cluster

/** How one session speaks to Redis: the script, called in bounded time, and a channel of its own. */
export class Connection {
  readonly session = randomBytes(9).toString("base64url")
  readonly #client: RedisClient
  readonly #owned: boolean
  readonly #keys: string[]
  readonly #patience: number
  readonly #clock: (() => number) | undefined
  /** Calls that have no answer yet, by when they are given up. */
  readonly #pending = new TimerQueue<Call>()
  readonly #onClose = () => this.#abandon(new Error("The connection to Redis was lost"))
  /** What to add to the monotonic clock to get Redis's clock, in µs. */
  #ahead: number | undefined

  constructor(client: RedisClient, owned: boolean, options: ConnectionOptions) {
    this.#client = client
    this.#owned = owned
    this.#patience = options.patience
    this.#clock = options.clock
    this.#keys = ["", ":expiries", ":waiters", ":lookouts"].map((name) => `{${options.prefix}}${name}`)
    // A command that was on its way may be sent again by ioredis; whoever asked is told now.
    onClose(client).add(this.#onClose)
  }

  get channel(): string {
    return `${this.#client.options.keyPrefix ?? ""}${this.#keys[0]}:${this.session}`
  }

  /** Waits until the client can be asked, and no longer than the patience. */
  async ready(): Promise<void> {
    const client = this.#client
    if (client.status === "ready") return
    if (client.status === "end") throw new Error("The Redis client has been closed")
    const giveUp = new AbortController()
    try {
      const ready = once(client, "ready", { signal: giveUp.signal })
      if (client.status === "wait") client.connect().catch(() => undefined)
      await this.bounded(ready)
    } finally {
      giveUp.abort()
    }
  }

  /** Calls the script. It is either answered in time or, should it come later, does nothing. */
  async call(operation: string, argument = ""): Promise<Reply> {
    for (const last of [false, true]) {
      const reply = await this.bounded(this.#send(operation, argument))
      const now = Number(reply[0])
      this.#ahead = now - performance.now() * 1_000
      if (reply.length > 1 || operation === "close") return reply
      // Redis's clock has jumped, or the last answer was slow: now we know its time.
      if (last) break
    }
    throw new Error("Redis took the question for one that is too old")
  }

  async #send(operation: string, argument: string): Promise<Reply> {
    const rest: (string | number)[] = [
      4,
      ...this.#keys,
      operation,
      this.session,
      argument,
      this.#validUntil(),
    ]
    if (this.#clock) rest.push(Math.round(this.#clock() * 1_000))
    try {
      return (await this.#client.evalsha(SHA, ...(rest as [number, ...string[]]))) as Reply
    } catch (error) {
      if (!(error instanceof Error && error.message.startsWith("NOSCRIPT"))) throw error
      return (await this.#client.eval(SCRIPT, ...(rest as [number, ...string[]]))) as Reply
    }
  }

  #validUntil(): string {
    if (this.#clock || this.#ahead === undefined) return ""
    return (this.#ahead + (performance.now() + this.#patience) * 1_000).toFixed(0)
  }

  /** The outcome of `promise`, or an error after so long; a user's client may be set up to try for ever. */
  bounded<T>(promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const fail = (error: Error & { command?: unknown }) => {
        this.#end(call)
        // ioredis adds the command with its arguments: the password, for one that logs in.
        delete error.command
        reject(error)
      }
      const call: Call = { due: 0, slot: -1, fail, onDue: () => this.#giveUp(call) }
      this.#pending.schedule(call, performance.now() + this.#patience)
      this.#pending.arm(true)
      promise.then((value) => {
        this.#end(call)
        resolve(value)
      }, fail)
    })
  }

  #end(call: Call): void {
    this.#pending.cancel(call)
    this.#pending.arm(this.#pending.entries.length > 0)
  }

  #giveUp(call: Call): void {
    call.fail(new Error(`Redis did not answer within ${this.#patience} ms`))
    // The machine at the other end may be gone without a word, and TCP would hope for a quarter of an hour.
    if (this.#owned) this.#client.disconnect(true)
  }

  #abandon(error: Error): void {
    for (const call of [...this.#pending.entries]) call.fail(error)
  }

  close(): void {
    this.#pending.disarm()
    onClose(this.#client).delete(this.#onClose)
    if (this.#owned) this.#client.disconnect()
  }
}

interface Call extends TimerEntry {
  fail(error: Error): void
}

const watched = new WeakMap<RedisClient, Set<() => void>>()

/** Who is to be told that the client has lost its connection; one listener for all, since Node warns of an eleventh. */
function onClose(client: RedisClient): Set<() => void> {
  let told = watched.get(client)
  if (!told) {
    const all = new Set<() => void>()
    client.on("close", () => {
      for (const tell of [...all]) tell()
    })
    watched.set(client, all)
    told = all
  }
  return told
}

export interface ConnectionOptions {
  prefix: string
  /** For how long to wait for an answer, in ms. */
  patience: number
  clock?: () => number
}

/** Numbers, or strings where the user's client is set up so. */
export type Reply = readonly unknown[]
