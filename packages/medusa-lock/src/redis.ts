import { Locks } from "@holdfast/lock"
import { isPrefix, type RedisStoreOptions, redisStore } from "@holdfast/lock/redis"
import type { ModuleProviderExports } from "@medusajs/framework/types"
import { ModuleProvider, Modules } from "@medusajs/framework/utils"
import { locksLoader } from "./loader.js"
import { type Check, isClient, isObject, isText, type LockingOptions } from "./options.js"
import { HoldfastLockingProvider } from "./provider.js"

export type { AcquireArgs, ExecuteArgs, Receipt } from "./provider.js"

/** Named as those of `@medusajs/locking-redis`. */
export interface RedisLockingOptions extends LockingOptions {
  /** `redis://[user:password@]host:port[/db]`, or `rediss://` for TLS. This or `client`. */
  redisUrl?: string | undefined
  /**
   * In its place, for a Cluster or behind Sentinel: a client of ioredis or node-redis, or a function that makes one. What
   * the function makes is closed when Medusa shuts down; a client that is handed over is not.
   */
  client?: RedisStoreOptions["client"]
  /** More of ioredis's settings for the connections. */
  redisOptions?: RedisStoreOptions["redisOptions"] | undefined
  /** Names the lock space: processes that are to exclude each other share it. "medusa_lock:" by default. */
  namespace?: string | undefined
  /** Of `@medusajs/locking-redis`, which retries: accepted, and not needed. */
  defaultRetryInterval?: number | undefined
  maximumRetryInterval?: number | undefined
  backoffFactor?: number | undefined
}

/** Locks for all processes that share a Redis or Valkey. */
export class RedisLockingProvider extends HoldfastLockingProvider {
  static identifier = "holdfast-redis"
}

const isNotNeeded: Check = () => undefined

const loader = locksLoader<RedisLockingOptions>({
  identifier: RedisLockingProvider.identifier,
  oneOf: {
    names: ["redisUrl", "client"],
    remedy:
      "give it the address of your Redis, such as process.env.REDIS_URL, or for a Cluster a client of it",
  },
  checks: {
    redisUrl: isText,
    client: isClient,
    redisOptions: isObject,
    namespace: (value) =>
      isPrefix(value) ? undefined : "must be a text of 1 to 200 characters without braces",
    defaultRetryInterval: isNotNeeded,
    maximumRetryInterval: isNotNeeded,
    backoffFactor: isNotNeeded,
  },
  open: ({ redisUrl: url, client, redisOptions, namespace: prefix = "medusa_lock:", trackNesting }) =>
    new Locks(redisStore({ url, client, redisOptions, prefix }), { trackNesting }),
})

const provider: ModuleProviderExports = ModuleProvider(Modules.LOCKING, {
  services: [RedisLockingProvider],
  loaders: [loader],
})

export default provider
