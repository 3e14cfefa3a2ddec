import { createMedusaContainer, MedusaError } from "@medusajs/framework/utils"
import { describe, expect, it } from "vitest"
import memory from "../src/memory.js"
import postgres from "../src/postgres.js"
import redis from "../src/redis.js"
import { startMedusa } from "./medusa.js"
import { holdfast } from "./stores.js"

/** Loads a provider as Medusa does at its start, and returns what it refuses. */
async function refusal(provider: typeof memory, options: object): Promise<MedusaError> {
  const [load] = provider.loaders ?? []
  const container = createMedusaContainer()
  return Promise.resolve(load?.({ container, options, moduleOptions: {} } as never)).then(
    () => expect.unreachable(),
    (error) => error,
  )
}

it("starts without options, and with none in them", async () => {
  for (const options of [undefined, {}]) {
    const { locking, stop } = await startMedusa({ ...holdfast("memory"), options })
    await locking.acquire("key")
    await stop()
  }
})

describe("refuses, when Medusa starts, by the name of the provider and of the option:", () => {
  it.each([
    [
      memory,
      { redisUrl: "x" },
      'The locking provider "holdfast-memory" has no option "redisUrl": it has wait,',
    ],
    [memory, { wait: "2" }, 'its option "wait" must be a number of seconds from 0'],
    [memory, { keepAlive: 0 }, 'its option "keepAlive" must be a number of seconds from 1'],
    [memory, { trackNesting: 1 }, 'its option "trackNesting" must be true or false'],
    [memory, { waitLockingTimeout: Number.NaN }, 'its option "waitLockingTimeout" must be'],
    [redis, {}, 'The locking provider "holdfast-redis" can\'t start: its option "redisUrl" is missing'],
    [redis, { redisUrl: undefined }, 'its option "redisUrl" is missing'],
    [redis, { redisUrl: "" }, 'its option "redisUrl" must be a text'],
    [redis, { redisUrl: "redis://x", namespace: "{a}" }, 'its option "namespace" must be'],
    [redis, { redisUrl: "redis://x", redisOptions: "tls" }, 'its option "redisOptions" must be an object'],
    [redis, { redisUrl: "redis://x", client: () => undefined }, "redisUrl and client only one may be set"],
    [redis, { client: { host: "x" } }, 'its option "client" must be a client of ioredis or node-redis'],
    [postgres, { schema: "My Locks" }, 'its option "schema" must be 1 to 63 of a-z'],
    [postgres, { databaseUrl: 5 }, 'its option "databaseUrl" must be a text'],
    [postgres, { constructor: 1 }, 'has no option "constructor"'],
  ])("%#", async (provider, options, message) => {
    const error = await refusal(provider, options)
    expect(error).toBeInstanceOf(MedusaError)
    expect(error.type).toBe(MedusaError.Types.INVALID_ARGUMENT)
    expect(error.message).toContain(message)
  })
})

it("takes the options of Medusa's Redis provider under their names", async () => {
  const config = holdfast("redis")
  const others = {
    waitLockingTimeout: 1,
    defaultRetryInterval: 5,
    maximumRetryInterval: 200,
    backoffFactor: 2,
  }
  const { locking, stop } = await startMedusa({ ...config, options: { ...config.options, ...others } })
  await locking.acquire("key", { ownerId: "anna" })
  const started = performance.now()
  await expect(locking.execute("key", async () => 1)).rejects.toThrow("Timed-out")
  expect(performance.now() - started).toBeLessThan(4_000)
  await stop()
})

it("never shows a password, be it in an option that is wrong or for a server that isn't there", async () => {
  const secret = "hunter2"
  const wrong = await refusal(redis, { redisUrl: [`redis://:${secret}@localhost`] })
  expect(wrong.message).not.toContain(secret)
  for (const [store, options] of [
    ["redis", { redisUrl: `redis://:${secret}@127.0.0.1:1` }],
    ["postgres", { databaseUrl: `postgres://me:${secret}@127.0.0.1:1/shop` }],
    ["postgres", { databaseUrl: `postgres://me:${secret}@[` }],
  ] as const) {
    const { locking, stop } = await startMedusa({ ...holdfast(store), options })
    const error = await locking.acquire("key").then(
      () => expect.unreachable(),
      (it) => it,
    )
    expect(error).toBeInstanceOf(MedusaError)
    expect(`${error.message} ${error.cause?.message} ${error.cause?.cause?.message}`).not.toContain(secret)
    await stop()
  }
})
