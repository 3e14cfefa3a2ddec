import { setTimeout as sleep } from "node:timers/promises"
import { CHECK_WITHIN, QUIET } from "../store.js"
import type { Listening, RedisDriver } from "./driver.js"

/** How long to wait before the next try to connect, in ms: the first, and the longest. */
const FIRST_RETRY = 50
const LONGEST_RETRY = 2_000
/** When a try to connect has failed, in ms: a server that hangs takes connections and says nothing. */
const LONGEST_ATTEMPT = 5_000

/** A connection that listens to one channel, and reconnects when it is lost. */
export class Subscriber {
  readonly #client: RedisDriver
  readonly #channel: string
  readonly #onMessage: (message: string) => void
  readonly #onGap: () => void
  #redis: Listening | undefined
  #retry: NodeJS.Timeout | undefined
  #failures = 0
  #listens = false
  /** When Redis was last heard. */
  #heardAt = 0
  #closed = false

  /** `onGap` is called when it is connected again: messages may have been lost. */
  constructor(client: RedisDriver, channel: string, onMessage: (message: string) => void, onGap: () => void) {
    this.#client = client
    this.#channel = channel
    this.#onMessage = onMessage
    this.#onGap = onGap
  }

  async open(): Promise<void> {
    const redis = await this.#client.duplicate()
    if (this.#closed) throw new Error("The session has been closed")
    this.#redis = redis
    redis.on("error", () => undefined)
    redis.on("message", (_, message = "") => {
      this.#heardAt = performance.now()
      this.#onMessage(message)
    })
    const timeout = setTimeout(() => redis.disconnect(), LONGEST_ATTEMPT)
    try {
      await redis.connect()
      await redis.subscribe(this.#channel)
    } catch (error) {
      redis.disconnect()
      throw error
    } finally {
      clearTimeout(timeout)
    }
    this.#failures = 0
    this.#listens = true
    this.#heardAt = performance.now()
    redis.once("end", () => this.#openLater())
    if (this.#closed) redis.disconnect()
  }

  #openLater(): void {
    this.#listens = false
    if (this.#closed) return
    const delay = Math.min(FIRST_RETRY * 2 ** this.#failures++, LONGEST_RETRY)
    this.#retry = setTimeout(() => this.#openAgain(), delay)
    this.#retry.unref?.()
  }

  async #openAgain(): Promise<void> {
    try {
      await this.open()
      this.#onGap()
    } catch {
      this.#openLater()
    }
  }

  /** Connects anew, since a message seems to have been lost. */
  renew(): void {
    this.#listens = false
    this.#redis?.disconnect()
  }

  /** Connects anew where nothing has come for long and the network has forgotten the connection: messages are lost on it. */
  async check(): Promise<void> {
    if (!this.#listens || performance.now() - this.#heardAt < QUIET) return
    this.#heardAt = performance.now()
    const timer = setTimeout(() => this.renew(), CHECK_WITHIN)
    await this.#redis?.ping().catch(() => undefined)
    clearTimeout(timer)
  }

  /** Resolves when all messages that were sent to the channel before have arrived; for tests. */
  async arrived(): Promise<void> {
    while (!this.#closed && !this.#listens) await sleep(5)
    if (!this.#closed) await this.#redis?.ping()
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#retry)
    this.#redis?.disconnect()
  }
}
