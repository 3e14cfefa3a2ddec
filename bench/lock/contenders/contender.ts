import type { StoreName } from "../../bench.ts"

/** A lock to compare, used as its README says. */
export interface Contender {
  readonly name: string
  readonly store: StoreName
  /** The one that the others of its store are compared with. */
  readonly baseline?: true
  /** Whether it takes several keys at once. */
  readonly takesSeveral?: true
  /** Locks nothing across processes: the least time of anything that calls its store as often. */
  readonly limit?: true
  /** @param address of the store's server; empty for memory. */
  open(address: string): Promise<Opened>
}

export interface Opened {
  /** Acquires and releases one key, by the cheapest way that is safe. */
  pair(key: string): Promise<unknown>
  /** Does `job` while all of `keys` are held. Rejects where they can't be had, or where it knows that they were lost. */
  run(keys: readonly string[], job: () => Promise<void>, terms?: Terms): Promise<unknown>
  /** Commands sent to Redis so far. */
  readonly sent?: () => number
  close(): Promise<unknown>
}

/** In ms. */
export interface Terms {
  readonly ttl?: number
  readonly timeout?: number
}

export const TTL = 30_000
export const TIMEOUT = 120_000
