import { randomBytes } from "node:crypto"
import { once } from "node:events"
import type { Cluster, Redis } from "ioredis"
import { LockSetupError } from "../errors.js"
import { CHECK_WITHIN, QUIET, UnansweredError } from "../store.js"
import { type TimerEntry, TimerQueue } from "../timer-queue.js"
import { end, nodesOf, replaceIfDead } from "./dead-connection.js"
import { SCRIPT, SHA } from "./script.js"

export type RedisClient = Redis | Cluster

/** Calls the script for one session, in bounded time, and names the session's channel. */
export class ScriptClient {
  readonly session = randomBytes(9).toString("base64url")
  readonly #client: RedisClient
  readonly #owned: boolean
  /** Whether its connection is used by nothing else, and may be ended. */
  readonly #isOurs: boolean
  readonly #keys: string[]
  readonly #timeoutMs: number
  readonly #clock: (() => number) | undefined
  /** Calls that have no answer yet, by the time at which they are given up. */
  readonly #pending = new TimerQueue<Call>()
  readonly #onClose = () => this.#abandon(new UnansweredError(new Error("The connection to Redis was lost")))
  /** What to add to the monotonic clock to get Redis's clock, in µs. */
  #ahead: number | undefined
  /** When Redis has last answered; before all times where the connection is to be checked first. */
  #answeredAt = performance.now()
  /** Ends when the client has seen that the connection was ended that didn't answer. */
  #ending: Promise<void> | undefined

  constructor(client: RedisClient, owned: boolean, options: ScriptClientOptions) {
    this.#client = client
    this.#owned = owned
    this.#isOurs = owned && !("nodes" in client)
    this.#timeoutMs = options.timeoutMs
    this.#clock = options.clock
    this.#keys = ["", ":expiries", ":waiters", ":wakeups"].map((name) => `{${options.prefix}}${name}`)
    // ioredis may send a command again that was on its way; its caller gets the error now.
    onClose(client).add(this.#onClose)
  }

  get channel(): string {
    return `${this.#client.options.keyPrefix ?? ""}${this.#keys[0]}:${this.session}`
  }

  /** Waits until the client is ready, and no longer than `timeoutMs`. */
  async ready(): Promise<void> {
    const client = this.#client
    await this.#ending
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
  async call(operation: string, argument = "", within = this.#timeoutMs): Promise<ScriptReply> {
    if (performance.now() - this.#answeredAt > QUIET) await this.#check(within)
    if (this.#isOurs && (this.#ending || this.#client.status !== "ready")) await this.ready()
    for (const last of [false, true]) {
      const reply = await this.bounded(this.#send(operation, argument), within)
      const now = Number(reply[0])
      this.#answeredAt = performance.now()
      this.#ahead = now - this.#answeredAt * 1_000
      if (reply.length > 1 || operation === "closeSession") return reply
      // Redis's clock has jumped, or the last answer was slow: now its time is known.
      if (last) break
    }
    throw new Error("Redis rejected the call as too old")
  }

  /** Sends a call that comes too late to do anything, and replaces a connection on which even that is not answered. */
  async #check(within: number): Promise<void> {
    if (this.#client.status !== "ready") return
    const ms = Math.min(within, CHECK_WITHIN)
    try {
      await this.bounded(this.#send("check", "", "0"), ms)
    } catch (error) {
      // A connection of our own is ended by that. A user's is ended only where it is sure to be dead.
      if (!this.#isOurs) {
        const replaced = await Promise.all(nodesOf(this.#client).map((node) => replaceIfDead(node, ms)))
        if (!replaced.includes(true)) throw error
      }
      await this.ready()
    }
  }

  async #send(operation: string, argument: string, validUntil = this.#validUntil()): Promise<ScriptReply> {
    const rest: (string | number)[] = [4, ...this.#keys, operation, this.session, argument, validUntil]
    if (this.#clock) rest.push(Math.round(this.#clock() * 1_000))
    try {
      return (await this.#client.evalsha(SHA, ...(rest as [number, ...string[]]))) as ScriptReply
    } catch (error) {
      const { message } = error as Error
      if (/^(MOVED|ASK) /.test(message)) throw notACluster(error)
      if (!message.startsWith("NOSCRIPT")) throw error
      return (await this.#client.eval(SCRIPT, ...(rest as [number, ...string[]]))) as ScriptReply
    }
  }

  #validUntil(): string {
    if (this.#clock || this.#ahead === undefined) return ""
    return (this.#ahead + (performance.now() + this.#timeoutMs) * 1_000).toFixed(0)
  }

  /** The outcome of `promise`, or an error after `timeoutMs`; a user's client may be set up to retry without an end. */
  bounded<T>(promise: Promise<T>, within = this.#timeoutMs): Promise<T> {
    return new Promise((resolve, reject) => {
      const fail = (error: Error & { command?: unknown }) => {
        this.#end(call)
        // ioredis adds the command with its arguments: the password, for AUTH.
        delete error.command
        reject(error)
      }
      const call: Call = { due: 0, slot: -1, fail, onDue: () => this.#giveUp(call) }
      this.#pending.schedule(call, performance.now() + Math.min(within, this.#timeoutMs))
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
    this.#answeredAt = Number.NEGATIVE_INFINITY
    call.fail(new UnansweredError(new Error(`Redis did not answer within ${this.#timeoutMs} ms`)))
    // The machine at the other end may be gone without a reset, and TCP would retry for a quarter of an hour.
    if (!this.#isOurs || this.#ending) return
    this.#ending = end(this.#client as Redis).then(() => {
      this.#ending = undefined
    })
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

function notACluster(cause: unknown): LockSetupError {
  return new LockSetupError(
    "This Redis is a node of a Cluster, and the keys of the locks are on another one: give the store a Cluster of ioredis " +
      "as its client, such as new Cluster([address]), in place of the url",
    undefined,
    { cause },
  )
}

interface Call extends TimerEntry {
  fail(error: Error): void
}

const watched = new WeakMap<RedisClient, Set<() => void>>()

/** Called when the client has lost its connection; one listener for all sessions, since Node warns of an eleventh. */
function onClose(client: RedisClient): Set<() => void> {
  let listeners = watched.get(client)
  if (!listeners) {
    const all = new Set<() => void>()
    client.on("close", () => {
      for (const listener of [...all]) listener()
    })
    watched.set(client, all)
    listeners = all
  }
  return listeners
}

export interface ScriptClientOptions {
  prefix: string
  /** For how long to wait for an answer, in ms. */
  timeoutMs: number
  clock?: () => number
}

/** Numbers, or strings where the user's client is set up so. */
export type ScriptReply = readonly unknown[]
