import { randomBytes } from "node:crypto"
import { LockSetupError } from "../errors.js"
import { CHECK_WITHIN, QUIET, UnansweredError } from "../store.js"
import { type TimerEntry, TimerQueue } from "../timer-queue.js"
import type { RedisDriver } from "./driver.js"
import { explained } from "./rights.js"
import { SCRIPT, SHA } from "./script.js"

/** Calls the script for one session, in bounded time, and names the session's channel. */
export class ScriptClient {
  readonly session = randomBytes(9).toString("base64url")
  readonly #client: RedisDriver
  readonly #owned: boolean
  /** Ends its one connection, where that is used by nothing else, and has another one made. */
  readonly #reconnect: (() => Promise<void>) | undefined
  readonly #keys: string[]
  readonly #timeoutMs: number
  readonly #clock: (() => number) | undefined
  /** Calls that have no answer yet, by the time at which they are given up. */
  readonly #pending = new TimerQueue<Call>()
  readonly #forget: () => void
  /** What to add to the monotonic clock to get Redis's clock, in µs. */
  #ahead: number | undefined
  /** When Redis has last answered; before all times where the connection is to be checked first. */
  #answeredAt = performance.now()
  /** Ends when the client has seen that the connection was ended that didn't answer. */
  #ending: Promise<void> | undefined

  constructor(client: RedisDriver, owned: boolean, options: ScriptClientOptions) {
    this.#client = client
    this.#owned = owned
    this.#reconnect = owned ? client.reconnect : undefined
    this.#timeoutMs = options.timeoutMs
    this.#clock = options.clock
    this.#keys = ["", ":expiries", ":waiters", ":wakeups"].map((name) => `{${options.prefix}}${name}`)
    // The command may be sent again; its caller gets the error now.
    this.#forget = client.onLost(() =>
      this.#abandon(new UnansweredError(new Error("The connection to Redis was lost"))),
    )
  }

  get channel(): string {
    return `${this.#client.keyPrefix}${this.#keys[0]}:${this.session}`
  }

  /** Waits until the client is ready, and no longer than `timeoutMs`. */
  async ready(): Promise<void> {
    const giveUp = new AbortController()
    try {
      await this.#ending
      await this.bounded(this.#client.ready(giveUp.signal))
    } finally {
      giveUp.abort()
    }
  }

  /** Calls the script. It is either answered in time or, should it come later, does nothing. */
  async call(operation: string, argument = "", within = this.#timeoutMs): Promise<ScriptReply> {
    if (performance.now() - this.#answeredAt > QUIET) await this.#check(within)
    if (this.#reconnect && (this.#ending || !this.#client.isReady)) await this.ready()
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
    if (!this.#client.isReady) return
    const ms = Math.min(within, CHECK_WITHIN)
    try {
      await this.bounded(this.#send("check", "", "0"), ms)
    } catch (error) {
      // A connection of our own is ended by that. A user's is ended only where it is sure to be dead.
      if (!this.#reconnect && !(await this.#client.replaceDead(ms))) throw error
      await this.ready()
    }
  }

  async #send(operation: string, argument: string, validUntil = this.#validUntil()): Promise<ScriptReply> {
    const rest: (string | number)[] = [4, ...this.#keys, operation, this.session, argument, validUntil]
    if (this.#clock) rest.push(Math.round(this.#clock() * 1_000))
    try {
      return (await this.#client.evalsha(SHA, rest)) as ScriptReply
    } catch (error) {
      const { message } = error as Error
      if (/^(MOVED|ASK) /.test(message)) throw notACluster(error)
      if (!message.startsWith("NOSCRIPT")) throw error
      return (await this.#client.eval(SCRIPT, rest)) as ScriptReply
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
        reject(explained(error, `${this.#client.keyPrefix}${this.#keys[0]}`))
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
    if (this.#ending) return
    this.#ending = this.#reconnect?.().then(() => {
      this.#ending = undefined
    })
  }

  #abandon(error: Error): void {
    for (const call of [...this.#pending.entries]) call.fail(error)
  }

  close(): void {
    this.#pending.disarm()
    this.#forget()
    if (this.#owned) this.#client.disconnect()
  }
}

function notACluster(cause: unknown): LockSetupError {
  return new LockSetupError(
    "This Redis is a node of a Cluster, and the keys of the locks are on another one: give the store a client of " +
      "the Cluster, such as new Cluster([address]) of ioredis or createCluster({ rootNodes }) of node-redis",
    undefined,
    { cause },
  )
}

interface Call extends TimerEntry {
  fail(error: Error): void
}

export interface ScriptClientOptions {
  prefix: string
  /** For how long to wait for an answer, in ms. */
  timeoutMs: number
  clock?: () => number
}

/** Numbers, or strings where the user's client is set up so. */
export type ScriptReply = readonly unknown[]
