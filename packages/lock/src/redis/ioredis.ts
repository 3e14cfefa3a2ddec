import { once } from "node:events"
import type { Cluster, Redis } from "ioredis"
import type { Listening, RedisDriver } from "./driver.js"

/** A Redis or Cluster of ioredis. */
export class IoredisDriver implements RedisDriver {
  readonly #client: Redis | Cluster

  constructor(client: Redis | Cluster) {
    this.#client = client
  }

  get keyPrefix(): string {
    return this.#client.options.keyPrefix ?? ""
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

  disconnect(reconnect?: boolean): void {
    this.#client.disconnect(reconnect)
  }

  /** In a cluster each node gets every message; one is chosen anew for each connection. */
  async duplicate(): Promise<Listening> {
    const client = this.#client
    const nodes = "nodes" in client ? client.nodes("all") : [client]
    const node = nodes[Math.floor(Math.random() * nodes.length)]
    if (!node) throw new Error("The Redis cluster has no nodes")
    // Reconnecting is ours, so that nothing is missed between the connection and the subscription.
    const listening = node.duplicate({
      lazyConnect: true,
      retryStrategy: () => null,
      readOnly: false,
      enableOfflineQueue: true,
      commandTimeout: undefined,
      maxRetriesPerRequest: null,
      connectionName: "holdfast-lock",
    })
    letExit(listening)
    return listening
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
export function letExit(client: Redis): void {
  client.on("connect", () => client.stream.unref())
}
