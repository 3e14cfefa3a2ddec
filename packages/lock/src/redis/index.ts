import type { Redis, RedisOptions } from "ioredis"
import { LockArgumentError } from "../errors.js"
import { notLoaded } from "../optional-package.js"
import { KEEP_ALIVE, type Store } from "../store.js"
import { driverOf, type RedisClient } from "./clients.js"
import type { RedisDriver } from "./driver.js"
import { Subscriber } from "./listener.js"
import { ScriptClient } from "./script-client.js"
import { RedisSession } from "./session.js"

export type { IoredisClient, NodeRedisClient, RedisClient } from "./clients.js"

export interface RedisStoreOptions {
  /** `redis://[user:password@]host:port[/db]`, or `rediss://` for TLS. Connections are opened, and closed by `locks.close()`. */
  url?: string | undefined
  /** More settings for the connections that are opened to `url`, such as `tls`: the `RedisOptions` of ioredis. */
  redisOptions?: object | undefined
  /**
   * In place of `url`: a `Redis` or `Cluster` of ioredis 5 or 6, or an open client, cluster or sentinel of node-redis
   * 5 or 6. It is used as it is and never closed; each `Locks` opens a second connection like it. Or a function that
   * makes one when it is first needed; that one is opened if need be, and closed by `locks.close()`.
   */
  client?: RedisClient | (() => RedisClient | Promise<RedisClient>) | undefined
  /** Names the lock space: locks of another prefix know nothing of each other. 1 to 200 characters without braces. "holdfast" by default. */
  prefix?: string | undefined
  /** For how long to wait for an answer of Redis, in ms, before the call is given up as failed. 5,000 by default. */
  commandTimeout?: number | undefined
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

/** Whether it can name a lock space. A brace would put the keys of the space into different slots of a cluster. */
export function isPrefix(name: unknown): name is string {
  return typeof name === "string" && /^[^{}]{1,200}$/.test(name)
}

/** With a clock in place of Redis's own, for tests. */
export function storeOn(options: RedisStoreOptions, clock?: () => number): Store {
  const { url, redisOptions, client, prefix = "holdfast", commandTimeout = 5_000 } = checkOptions(options)
  if (!isPrefix(prefix))
    throw new LockArgumentError(
      `prefix must be 1 to 200 characters without braces, not ${JSON.stringify(prefix)}`,
    )
  if (!(commandTimeout > 0 && commandTimeout < 2 ** 31))
    throw new LockArgumentError(`commandTimeout must be a number of ms above 0, not ${commandTimeout}`)
  const makes = isMaker(client) ? client : undefined
  const given = makes || client === undefined ? undefined : driverOf(client as RedisClient)
  return {
    async connect(wake) {
      const redis = given ?? adopt(await (makes ? makes() : openClient(url ?? "", redisOptions)))
      const script = new ScriptClient(redis, given === undefined, {
        prefix,
        timeoutMs: commandTimeout,
        clock,
      })
      return connect(redis, script, wake)
    },
  }
}

function checkOptions(options: RedisStoreOptions): RedisStoreOptions {
  const { url, client, redisOptions } = options ?? {}
  if ((url === undefined) === (client === undefined))
    throw new LockArgumentError("redisStore needs either a url or a client")
  if (url !== undefined) checkUrl(url)
  if (redisOptions !== undefined && (typeof redisOptions !== "object" || redisOptions === null))
    throw new LockArgumentError("redisOptions must be an object with settings of ioredis")
  return options
}

/** ioredis takes an empty text, and what it can't read, for localhost. The url is not shown: it may hold a password. */
function checkUrl(url: unknown): void {
  if (typeof url !== "string" || !/^(rediss?:\/\/.|(?![a-z][a-z0-9+.-]*:\/\/).)/is.test(url.trim()))
    throw new LockArgumentError(
      "url must be a text such as redis://localhost:6379 or rediss://…; is the variable set that it comes from?",
    )
}

async function connect(
  client: RedisDriver,
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

/** A class is a function too, and can't be called: its clients are made by `new`. */
function isMaker(client: RedisStoreOptions["client"]): client is () => RedisClient | Promise<RedisClient> {
  return typeof client === "function" && !/^class\b/.test(Function.prototype.toString.call(client))
}

function adopt(client: RedisClient): RedisDriver {
  const driver = driverOf(client)
  driver.adopt()
  return driver
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

const NEEDS_IOREDIS =
  "redisStore({ url }) needs the package ioredis, version 5 or 6: npm install ioredis, or give it a client of node-redis"

async function openClient(url: string, options: object | undefined): Promise<Redis> {
  const ioredis = await import("ioredis").catch((cause) => {
    throw notLoaded("ioredis", NEEDS_IOREDIS, cause)
  })
  return new ioredis.Redis(url, { ...OWN_CLIENT, ...options })
}
