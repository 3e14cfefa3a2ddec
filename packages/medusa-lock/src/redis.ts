import { Locks } from "@holdfast/lock"
import { isPrefix, type RedisStoreOptions, redisStore } from "@holdfast/lock/redis"
import type { ModuleProviderExports } from "@medusajs/framework/types"
import { ModuleProvider, Modules } from "@medusajs/framework/utils"
import { locksLoader } from "./loader.js"
import { type Check, isObject, isText, type LockingOptions } from "./options.js"
import { HoldfastLockingProvider } from "./provider.js"

export type { AcquireArgs, ExecuteArgs, Receipt } from "./provider.js"

/** Named as those of `@medusajs/locking-redis`. */
export interface RedisLockingOptions extends LockingOptions {
  /** `redis://[user:password@]host:port[/db]`, or `rediss://` for TLS. */
  redisUrl: string
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
  required: { redisUrl: "give it the address of your Redis, such as process.env.REDIS_URL" },
  checks: {
    redisUrl: isText,
    redisOptions: isObject,
    namespace: (value) =>
      isPrefix(value) ? undefined : "must be a text of 1 to 200 characters without braces",
    defaultRetryInterval: isNotNeeded,
    maximumRetryInterval: isNotNeeded,
    backoffFactor: isNotNeeded,
  },
  open: ({ redisUrl: url, redisOptions, namespace: prefix = "medusa_lock:" }) =>
    new Locks(redisStore({ url, redisOptions, prefix })),
})

const provider: ModuleProviderExports = ModuleProvider(Modules.LOCKING, {
  services: [RedisLockingProvider],
  loaders: [loader],
})

export default provider
