import { once } from "node:events"
import type { Cluster, Redis } from "ioredis"
import { KEEP_ALIVE } from "../store.js"
import { end, nodesOf, ONE_ATTEMPT, replaceIfDead } from "./dead-connection.js"
import type { Listening, RedisDriver } from "./driver.js"

/** A Redis or Cluster of ioredis. */
export class IoredisDriver implements RedisDriver {
  readonly #client: Redis | Cluster
  readonly reconnect: (() => Promise<void>) | undefined

  constructor(client: Redis | Cluster) {
    this.#client = client
    this.reconnect = "nodes" in client ? undefined : () => end(client)
  }

  get keyPrefix(): string {
    return this.#client.options.keyPrefix ?? ""
  }

  get isReady(): boolean {
    return this.#client.status === "ready"
  }

  adopt(): void {
    this.#client.on("error", () => undefined)
    if (!("nodes" in this.#client)) letExit(this.#client)
  }

  async ready(signal: AbortSignal): Promise<void> {
    const client = this.#client
    if (client.status === "ready") return
    if (client.status === "end") throw new Error("The Redis client has been closed")
    const ready = once(client, "ready", { signal })
    if (client.status === "wait") client.connect().catch(() => undefined)
    await ready
  }

  evalsha(sha: string, rest: readonly (string | number)[]): Promise<unknown> {
    return this.#client.evalsha(sha, ...(rest as [number, ...string[]]))
  }

  eval(script: string, rest: readonly (string | number)[]): Promise<unknown> {
    return this.#client.eval(script, ...(rest as [number, ...string[]]))
  }

  /** ioredis may send a command again that was on its way. */
  onLost(listener: () => void): () => void {
    const listeners = onClose(this.#client)
    listeners.add(listener)
    return () => void listeners.delete(listener)
  }

  disconnect(): void {
    this.#client.disconnect()
  }

  async replaceDead(ms: number): Promise<boolean> {
    const replaced = await Promise.all(nodesOf(this.#client).map((node) => replaceIfDead(node, ms)))
    return replaced.includes(true)
  }

  /** In a cluster each node gets every message; one is chosen anew for each connection. */
  async duplicate(): Promise<Listening> {
    const client = this.#client
    const nodes = "nodes" in client ? client.nodes("all") : [client]
    const node = nodes[Math.floor(Math.random() * nodes.length)]
    if (!node) throw new Error("The Redis cluster has no nodes")
    // Reconnecting is ours, so that nothing is missed between the connection and the subscription.
    return new IoredisListener(
      node.duplicate({
        ...ONE_ATTEMPT,
        readOnly: false,
        commandTimeout: undefined,
        maxRetriesPerRequest: null,
        keepAlive: KEEP_ALIVE,
      }),
    )
  }
}

class IoredisListener implements Listening {
  readonly #redis: Redis

  constructor(redis: Redis) {
    this.#redis = redis
    letExit(redis)
  }

  on(event: "error" | "message" | "end", listener: (...args: string[]) => void): void {
    this.#redis.on(event, listener)
  }

  once(event: "end", listener: () => void): void {
    this.#redis.once(event, listener)
  }

  connect(): Promise<unknown> {
    return this.#redis.connect()
  }

  subscribe(channel: string): Promise<unknown> {
    return this.#redis.subscribe(channel)
  }

  ping(): Promise<unknown> {
    return this.#redis.ping()
  }

  /** By its own `disconnect` alone the other side is waited for, which takes 2 s where it says nothing. */
  disconnect(): void {
    this.#redis.disconnect()
    this.#redis.stream?.destroy()
  }
}

const watched = new WeakMap<Redis | Cluster, Set<() => void>>()

/** Called when the client has lost its connection; one listener for all sessions, since Node warns of an eleventh. */
function onClose(client: Redis | Cluster): Set<() => void> {
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

/** An open connection doesn't keep the process alive: a call or a waiting request does. */
function letExit(client: Redis): void {
  client.on("connect", () => client.stream.unref())
}
