import type { Cluster, Redis, RedisOptions } from "ioredis"

/** Settings of a connection beside a client's, which never reconnects by itself. */
export const ONE_ATTEMPT: RedisOptions = {
  lazyConnect: true,
  retryStrategy: () => null,
  enableOfflineQueue: true,
  connectionName: "holdfast-lock",
}

/** The connections of a user's client that are in use: several of a Cluster's. */
export function nodesOf(client: Redis | Cluster): Redis[] {
  return ("nodes" in client ? client.nodes("all") : [client]).filter(({ status }) => status === "ready")
}

/**
 * Ends a connection that the network has forgotten, so that its client reconnects as it is set up to. It is told from a
 * server that hangs by another connection: Redis answers in the order of arrival, so what was asked first and is
 * answered after that was lost. Does nothing, and returns false, where the server doesn't answer there either, within `ms`.
 */
export async function replaceIfDead(node: Redis, ms: number): Promise<boolean> {
  let alive = false
  const hear = () => {
    alive = true
  }
  void node.ping().then(hear, hear)
  const other = node.duplicate(ONE_ATTEMPT)
  other.on("error", () => undefined)
  const timer = setTimeout(() => void end(other), ms)
  try {
    await other.connect()
    await other.ping()
    // An answer that came at the same moment is read before this one.
    await other.ping()
    if (!alive) await end(node)
    return !alive
  } catch {
    return false // The server hangs, or is down.
  } finally {
    clearTimeout(timer)
    other.disconnect()
  }
}

/**
 * Ends a connection without waiting for the server, as `disconnect` does, and ends itself when the client has noticed.
 */
export async function end(node: Redis): Promise<void> {
  // Between two attempts to connect there is nothing to end.
  if (!node.stream || node.stream.destroyed) return
  const closed = new Promise<void>((resolve) => node.once("close", () => resolve()))
  node.stream.destroy()
  await closed
}
