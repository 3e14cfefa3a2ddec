import { randomBytes } from "node:crypto"
import { afterAll, afterEach, beforeAll, inject } from "vitest"
import type { LockingOptions } from "../src/options.js"
import { type Medusa, type ProviderConfig, startMedusa } from "./medusa.js"

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

/** Medusa's Locking Module on one of our providers for the tests of a block; no lock outlasts a test. */
export function medusaOn(
  store: StoreName,
  opened: (medusa: Medusa) => void,
  options: LockingOptions = {},
): void {
  let medusa: Medusa
  beforeAll(async () => {
    medusa = await startMedusa(holdfast(store, options))
    opened(medusa)
  })
  afterEach(() => medusa.locking.releaseAll())
  afterAll(() => medusa.stop())
}
