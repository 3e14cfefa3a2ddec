import { EventEmitter, once } from "node:events"
import { LockSetupError } from "../errors.js"
import { UnansweredError } from "../store.js"
import type { Listening, RedisDriver } from "./driver.js"

/** The part of node-redis that is used. */
interface NodeClient extends EventEmitter {
  readonly isOpen: boolean
  readonly isReady: boolean
  readonly options?: { readonly keyPrefix?: string; readonly socket?: object }
  connect(): Promise<unknown>
  destroy(): void
  duplicate(overrides: object): NodeClient
  ping(): Promise<unknown>
  sendCommand(args: readonly string[], options: object): Promise<unknown>
  subscribe(channel: string, listener: (message: string, channel: string) => void): Promise<void>
  unref(): void
}

interface NodeCluster extends EventEmitter {
  readonly isOpen: boolean
  connect(): Promise<unknown>
  destroy(): unknown
  readonly masters: readonly object[]
  readonly _options?: { readonly keyPrefix?: string; readonly defaults?: { readonly keyPrefix?: string } }
  nodeClient(node: object): NodeClient | Promise<NodeClient>
  sendCommand(key: string, isReadOnly: boolean, args: readonly string[], options: object): Promise<unknown>
}

interface NodeSentinel extends EventEmitter {
  readonly isOpen: boolean
  connect(): Promise<unknown>
  destroy(): unknown
  getMasterNode(): unknown
  /** Runs `work` with a client of the primary, and again with another one where that has failed for the connection's sake. */
  _execute<T>(isReadOnly: boolean, work: (client: NodeClient) => Promise<T>): Promise<T>
}

type NodeRedis = NodeClient | NodeCluster | NodeSentinel

/** Replies as they come by default, however the user's client is set up to read them. */
const PLAIN = { typeMapping: {} }

export function isNodeRedis(client: unknown): client is NodeRedis {
  const { isOpen, sendCommand, destroy } = (client ?? {}) as Record<string, unknown>
  if (typeof isOpen !== "boolean" || typeof sendCommand !== "function") return false
  // A pool has no single connection to make another one of, and node-redis 4 has other names.
  return typeof destroy === "function" && !("totalClients" in (client as object))
}

export function nodeRedisDriver(client: NodeRedis): RedisDriver {
  if ("getMasterNode" in client) return new SentinelDriver(client)
  return "nodeClient" in client ? new ClusterDriver(client) : new ClientDriver(client)
}

/** What the three have in common. A command that had been sent is never sent again: its promise is rejected at once. */
abstract class NodeRedisDriver<Client extends NodeRedis> implements RedisDriver {
  protected readonly client: Client
  /** Whether the store has made it, and opens it. */
  protected isOurs = false

  constructor(client: Client) {
    this.client = client
  }

  abstract readonly keyPrefix: string
  abstract readonly isReady: boolean
  abstract readonly reconnect: (() => Promise<void>) | undefined

  abstract ready(signal: AbortSignal): Promise<void>
  abstract duplicate(): Promise<Listening>
  protected abstract send(key: string, args: readonly string[]): Promise<unknown>

  evalsha(sha: string, rest: readonly (string | number)[]): Promise<unknown> {
    return this.#evaluate("EVALSHA", sha, rest)
  }

  eval(script: string, rest: readonly (string | number)[]): Promise<unknown> {
    return this.#evaluate("EVAL", script, rest)
  }

  #evaluate(command: string, script: string, rest: readonly (string | number)[]): Promise<unknown> {
    const args = [command, script, ...rest.map(String)]
    const end = 3 + Number(rest[0])
    for (let at = 3; at < end; at++) args[at] = this.keyPrefix + args[at]
    return this.send(args[3] ?? "", args).catch((error) => {
      throw this.client.isOpen && !isReply(error) ? new UnansweredError(error) : error
    })
  }

  adopt(): void {
    this.isOurs = true
    this.client.on("error", () => undefined)
  }

  onLost(): () => void {
    return () => undefined
  }

  disconnect(): void {
    // Of a sentinel that is asynchronous.
    if (this.client.isOpen) void Promise.resolve(this.client.destroy()).catch(() => undefined)
  }

  /**
   * Without a way to make a user's client connect anew, this is left to TCP, which node-redis has check a connection
   * after 5 s of silence.
   */
  async replaceDead(): Promise<boolean> {
    return false
  }

  /** To open a user's client is its owner's: node-redis refuses a second `connect()`. */
  protected async open(): Promise<void> {
    if (this.client.isOpen) return
    if (!this.isOurs)
      throw new LockSetupError(
        "The client of node-redis is not open: await client.connect() before the first lock",
      )
    await this.client.connect()
  }
}

/** An error that Redis answered with begins with a word in capitals; those of lost connections don't. */
const isReply = (error: unknown) => error instanceof Error && /^[A-Z]+\b/.test(error.message)

class ClientDriver extends NodeRedisDriver<NodeClient> {
  readonly keyPrefix: string

  constructor(client: NodeClient) {
    super(client)
    this.keyPrefix = client.options?.keyPrefix ?? ""
  }

  get isReady(): boolean {
    return this.client.isReady
  }

  override adopt(): void {
    super.adopt()
    this.client.unref()
  }

  async ready(signal: AbortSignal): Promise<void> {
    const opened = this.open()
    opened.catch(() => undefined)
    // Of a client that is connecting again, only the event tells.
    await Promise.all([opened, this.client.isReady || once(this.client, "ready", { signal })])
  }

  /** Between two attempts to connect there is nothing to end. */
  readonly reconnect = async () => {
    if (this.client.isReady) this.client.destroy()
  }

  override disconnect(): void {
    if (this.client.isReady || !this.client.isOpen) super.disconnect()
    // node-redis 5 would leave a socket open that has not connected yet.
    else this.client.once("connect", () => setImmediate(() => super.disconnect()))
  }

  protected send(_: string, args: readonly string[]): Promise<unknown> {
    return this.client.sendCommand(args, PLAIN)
  }

  async duplicate(): Promise<Listening> {
    return new NodeRedisListener(this.client)
  }
}

class ClusterDriver extends NodeRedisDriver<NodeCluster> {
  readonly keyPrefix: string
  readonly reconnect = undefined

  constructor(cluster: NodeCluster) {
    super(cluster)
    const { keyPrefix, defaults } = cluster._options ?? {}
    this.keyPrefix = keyPrefix ?? defaults?.keyPrefix ?? ""
  }

  get isReady(): boolean {
    return this.client.isOpen && this.client.masters.length > 0
  }

  async ready(signal: AbortSignal): Promise<void> {
    await this.open()
    if (!this.isReady) await once(this.client, "connect", { signal })
  }

  protected send(key: string, args: readonly string[]): Promise<unknown> {
    return this.client.sendCommand(key, false, args, PLAIN)
  }

  /** Each node gets every message; one is chosen anew for each connection. */
  async duplicate(): Promise<Listening> {
    const { masters } = this.client
    const node = masters[Math.floor(Math.random() * masters.length)]
    if (!node) throw new Error("The Redis cluster has no nodes")
    return new NodeRedisListener(await this.client.nodeClient(node))
  }
}

class SentinelDriver extends NodeRedisDriver<NodeSentinel> {
  readonly keyPrefix = ""
  readonly reconnect = undefined

  /** A command waits by itself until a primary is known. */
  get isReady(): boolean {
    return this.client.isOpen
  }

  ready(): Promise<void> {
    return this.open()
  }

  /**
   * Sentinel's client sends a command again whose connection was lost, though the primary may have executed it: a
   * release would be told as a loss. What a replica has refused as READONLY was not executed.
   */
  protected send(_: string, args: readonly string[]): Promise<unknown> {
    return new Promise((resolve, reject) => {
      let failure: unknown
      const attempt = async (client: NodeClient) => {
        if (failure) throw failure
        try {
          return await client.sendCommand(args, PLAIN)
        } catch (error) {
          if (!isReadOnly(error)) {
            failure = error
            reject(error)
          }
          throw error
        }
      }
      this.client._execute(false, attempt).then(resolve, reject)
    })
  }

  duplicate(): Promise<Listening> {
    return this.client._execute(false, async (client) => new NodeRedisListener(client))
  }
}

const isReadOnly = (error: unknown) => error instanceof Error && error.message.startsWith("READONLY")

/** A connection like that of another client. It ends when it is lost. */
class NodeRedisListener extends EventEmitter implements Listening {
  readonly #client: NodeClient
  /** Whether there is a socket that can be destroyed. */
  #hasSocket = false
  #ended = false

  constructor(client: NodeClient) {
    super()
    this.#client = client.duplicate({
      name: "holdfast-lock",
      socket: { ...client.options?.socket, reconnectStrategy: false, keepAlive: true },
      disableOfflineQueue: false,
      readonly: false,
      pingInterval: undefined,
      clientSideCache: undefined,
      emitInvalidate: false,
      commandOptions: undefined,
    })
    this.#client.on("connect", () => (this.#hasSocket = true))
    this.#client.on("end", () => this.#end())
    // Where it may not reconnect, node-redis tells so by an error alone.
    this.#client.on("error", () => {
      if (!this.#client.isOpen) this.#end()
    })
    this.#client.unref()
  }

  connect(): Promise<unknown> {
    return this.#client.connect()
  }

  subscribe(channel: string): Promise<unknown> {
    return this.#client.subscribe(channel, (message) => this.emit("message", channel, message))
  }

  ping(): Promise<unknown> {
    return this.#client.ping()
  }

  disconnect(): void {
    if (this.#hasSocket) this.#destroy()
    // node-redis 5 would leave a socket open that has not connected yet.
    else this.#client.once("connect", () => setImmediate(() => this.#destroy()))
  }

  #destroy(): void {
    if (this.#client.isOpen) this.#client.destroy()
  }

  #end(): void {
    if (this.#ended) return
    this.#ended = true
    this.emit("end")
  }
}
