import { type LocalRedis, startRedis } from "@holdfast/redis-local"
import { afterAll, beforeAll, describe, it } from "vitest"
import { redisStore } from "../src/redis/index.js"
import { exerciseStore } from "../src/testing/index.js"

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
