import type { RedisOptions } from "ioredis"
import { LockArgumentError } from "../errors.js"
import { KEEP_ALIVE, type Store } from "../store.js"
import { letExit, Subscriber } from "./listener.js"
import { type RedisClient, ScriptClient } from "./script-client.js"
import { RedisSession } from "./session.js"

export interface RedisStoreOptions {
  /** `redis://[user:password@]host:port[/db]`, or `rediss://` for TLS. Connections are opened, and closed by `locks.close()`. */
  url?: string
  /** More of ioredis's settings for the connections that are opened to `url`: `tls`, for instance. */
  redisOptions?: RedisOptions
  /**
   * In place of `url`: a Redis or Cluster of ioredis, which is used as it is and never closed. Needs a second connection,
   * as its duplicate. Or a function that makes one when it is first needed, which is closed by `locks.close()`.
   */
  client?: RedisClient | (() => RedisClient | Promise<RedisClient>)
  /** Names the lock space: locks of another prefix know nothing of each other. 1 to 200 characters without braces. "holdfast" by default. */
  prefix?: string
  /** For how long to wait for an answer of Redis, in ms, before the call is given up as failed. 5,000 by default. */
  commandTimeout?: number
}

/**
 * A store on Redis 6.2 or later or Valkey: one node, behind Sentinel, or a Cluster. All keys of a lock space are
 * in one slot, by the hash tag `{prefix}`, since a request for several keys is granted at one instant; spread the
 * load over a Cluster by using several prefixes.
 *
 * Throws `LockArgumentError` where the options make no sense.
 */
export function redisStore(options: RedisStoreOptions): Store {
  return storeOn(options)
}

/** With a clock in place of Redis's own, for tests. */
export function storeOn(options: RedisStoreOptions, clock?: () => number): Store {
  const { url, redisOptions, client, prefix = "holdfast", commandTimeout = 5_000 } = options
  if ((url === undefined) === (client === undefined))
    throw new LockArgumentError("redisStore needs either a url or a client")
  // An empty pair of braces, or a stray one, would put the keys of the space into different slots of a cluster.
  if (!/^[^{}]{1,200}$/.test(prefix))
    throw new LockArgumentError(
      `prefix must be 1 to 200 characters without braces, not ${JSON.stringify(prefix)}`,
    )
  if (!(commandTimeout > 0 && commandTimeout < 2 ** 31))
    throw new LockArgumentError(`commandTimeout must be a number of ms above 0, not ${commandTimeout}`)
  return {
    async connect(wake) {
      const isOwn = typeof client !== "object"
      const redis = await (typeof client === "function"
        ? made(client)
        : (client ?? openClient(url as string, redisOptions)))
      const script = new ScriptClient(redis, isOwn, {
        prefix,
        timeoutMs: commandTimeout,
        clock,
      })
      return connect(redis, script, wake)
    },
  }
}

async function connect(
  client: RedisClient,
  script: ScriptClient,
  wake: (within: number) => void,
): Promise<RedisSession> {
  const session = new RedisSession(script, wake)
  const subscriber = new Subscriber(
    client,
    script.channel,
    (message) => session.hear(message),
    () => wake(0),
  )
  try {
    await script.ready()
    await session.open(subscriber)
    return session
  } catch (error) {
    subscriber.close()
    script.close()
    throw error
  }
}

const OWN_CLIENT: RedisOptions = {
  lazyConnect: true,
  connectionName: "holdfast-lock",
  keepAlive: KEEP_ALIVE,
  // A call that can't be sent now fails, and the core sends it anew: nothing is to be sent late, or twice.
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  retryStrategy: (times) => Math.min(times * 50, 1_000),
  // A primary that has become a replica: the name may resolve to another by now.
  reconnectOnError: (error) => error.message.startsWith("READONLY"),
}

async function made(client: () => RedisClient | Promise<RedisClient>): Promise<RedisClient> {
  const redis = await client()
  redis.on("error", () => undefined)
  if (!("nodes" in redis)) letExit(redis)
  return redis
}

async function openClient(url: string, options: RedisOptions | undefined): Promise<RedisClient> {
  const ioredis = await import("ioredis").catch((cause) => {
    throw new Error("redisStore({ url }) needs the package ioredis, version 5 or 6: npm install ioredis", {
      cause,
    })
  })
  const client = new ioredis.Redis(url, { ...OWN_CLIENT, ...options })
  client.on("error", () => undefined)
  letExit(client)
  return client
}
