import type { Cluster, Redis } from "ioredis"
import { LockArgumentError } from "../errors.js"
import type { RedisDriver } from "./driver.js"
import { IoredisDriver } from "./ioredis.js"
import { isNodeRedis, nodeRedisDriver } from "./node-redis.js"

/**
 * The parts of the clients that tell which one it is, so that no client's types are a part of ours: a project that has
 * one of the libraries compiles without the other.
 */
export type RedisClient = IoredisClient | NodeRedisClient

/** A `Redis` or `Cluster` of ioredis 5 or 6. */
export interface IoredisClient {
  readonly status: string
  evalsha(...args: never[]): Promise<unknown>
  disconnect(reconnect?: boolean): void
}

/** What `createClient`, `createCluster` or `createSentinel` of node-redis (the package `redis`) 5 or 6 returns, after its `connect()`. */
export interface NodeRedisClient {
  readonly isOpen: boolean
  sendCommand(...args: never[]): Promise<unknown>
  destroy(): unknown
}

const EXPECTED =
  "a Redis or Cluster of ioredis 5 or 6, or what createClient, createCluster or createSentinel of node-redis 5 or 6 returns"

/** Throws `LockArgumentError` for what is no client that the store knows. */
export function driverOf(client: RedisClient): RedisDriver {
  if (isIoredis(client)) return new IoredisDriver(client)
  if (isNodeRedis(client)) return nodeRedisDriver(client)
  throw new LockArgumentError(`client must be ${EXPECTED}, not ${nameOf(client)}`)
}

function isIoredis(client: unknown): client is Redis | Cluster {
  const { status, evalsha, duplicate } = (client ?? {}) as Partial<Redis>
  return typeof status === "string" && typeof evalsha === "function" && typeof duplicate === "function"
}

function nameOf(client: unknown): string {
  if (typeof client !== "object" || client === null) return client === null ? "null" : `a ${typeof client}`
  if ("sendCommand" in client && !("destroy" in client)) return "a client of node-redis 4 or older"
  if ("sendCommand" in client && "createClient" in client) return "a module"
  if ("totalClients" in client) return "a pool: give it the client that the pool was made of"
  return `a ${client.constructor?.name ?? "plain object"}`
}
