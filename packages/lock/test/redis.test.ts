import { type LocalRedis, startRedis } from "@holdfast/redis-local"
import { createClient } from "redis"
import { createClient as createClient6 } from "redis-6"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { Locks } from "../src/index.js"
import { type NodeRedisClient, redisStore } from "../src/redis/index.js"
import { exerciseStore } from "../src/testing/index.js"
import { everyRun } from "./nightly.js"

let redis: LocalRedis
beforeAll(async () => {
  redis = await startRedis()
})
afterAll(() => redis.kill())

describe("redisStore", () => {
  exerciseStore({
    describe,
    it,
    open() {
      const prefix = crypto.randomUUID()
      return { store: () => redisStore({ url: redis.url, prefix }) }
    },
  })
})

const NODE_REDIS: Record<string, (url: string) => Promise<NodeRedisClient>> = {
  "node-redis 5": (url) => createClient({ url }).connect(),
  "node-redis 6": (url) => createClient6({ url }).connect(),
}

describe.each(everyRun(NODE_REDIS, ["node-redis 5"]))("redisStore with a client of %s", (_, connect) => {
  let client: NodeRedisClient
  beforeAll(async () => {
    client = await connect(redis.url)
  })
  afterAll(() => client.destroy())

  exerciseStore({
    describe,
    it,
    open() {
      const prefix = crypto.randomUUID()
      return { store: () => redisStore({ client, prefix }) }
    },
  })
})

it("opens its connections with more settings of ioredis, where it is given them", async () => {
  const locks = new Locks(redisStore({ url: redis.url, redisOptions: { connectionName: "my-own" } }))
  await locks.inspect()
  expect(await redis.say("CLIENT", "LIST")).toContain("name=my-own")
  await locks.close()
})
