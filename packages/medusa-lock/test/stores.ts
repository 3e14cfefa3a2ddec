import { randomBytes } from "node:crypto"
import { inject } from "vitest"
import type { LockingOptions } from "../src/options.js"
import type { ProviderConfig } from "./medusa.js"

export type StoreName = "memory" | "redis" | "postgres"

/** All of our providers. */
export const STORES: StoreName[] = ["memory", "redis", "postgres"]

/** Those that processes share. */
export const SHARED: StoreName[] = ["redis", "postgres"]

/** A provider of ours as the default one, on a lock space of its own. */
export function holdfast(store: StoreName, options: LockingOptions = {}): ProviderConfig {
  const space = `test_${randomBytes(6).toString("hex")}`
  const places = {
    memory: () => ({}),
    redis: () => ({ redisUrl: inject("lockRedisUrl"), namespace: space }),
    postgres: () => ({ databaseUrl: inject("lockPostgresUrl"), schema: space }),
  }
  return {
    resolve: `@holdfast/medusa-lock/${store}`,
    id: "holdfast",
    is_default: true,
    options: { ...places[store](), ...options },
  }
}
