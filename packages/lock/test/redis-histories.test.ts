import { type LocalRedis, startRedis } from "@holdfast/redis-local"
import fc from "fast-check"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { storeOn } from "../src/redis/index.js"
import type { RedisSession } from "../src/redis/session.js"
import { histories } from "./generators.js"
import { History, inTime, type Step, type Subject } from "./history.js"
import { isNightly } from "./nightly.js"
import { wipeableMemory } from "./wipeable-memory.js"

const SETTINGS = { numRuns: Number(process.env.HOLDFAST_RUNS ?? (isNightly ? 400 : 150)) }

let redis: LocalRedis
beforeAll(async () => {
  redis = await startRedis()
})
afterAll(() => redis.kill())

/** The Redis store on a space and a clock of its own, on the server's only as far as the transport goes. */
function onRedis(clock: () => number): Subject {
  const store = storeOn({ url: redis.url, prefix: crypto.randomUUID() }, clock)
  const sessions: RedisSession[] = []
  return {
    async connect(wake) {
      const session = (await store.connect(wake)) as RedisSession
      sessions.push(session)
      return session
    },
    async arrived() {
      await Promise.all(sessions.map((session) => session.arrived()))
    },
    disaster: { strike: () => redis.wipe(), keeps: () => false, recovers: false },
  }
}

/** The waiting request is granted the key and loses it before its session calls: its subscription was taken for broken. */
const TAKEN_UNHEARD: Step[] = [
  { kind: "acquire", session: 0, keys: ["a"], ttl: 5, owner: null, wait: false },
  { kind: "acquire", session: 0, keys: ["a"], ttl: 5, owner: null, wait: true },
  { kind: "forceRelease", key: "a" },
  { kind: "forceRelease", key: "a" },
]

/** The waiting request is granted two keys, of which it shares one, and is cancelled before the grant is heard of. */
const GIVEN_UP_UNHEARD: Step[] = [
  { kind: "acquire", session: 0, keys: ["a"], ttl: 5, owner: null, wait: false },
  { kind: "acquire", session: 0, keys: ["d"], ttl: 5, owner: "ben", wait: false },
  { kind: "acquire", session: 1, keys: ["d", "a"], ttl: 5, owner: "ben", wait: true },
]

/** The waiting request has to be reported as dropped, since Redis doesn't know it any more. */
const WAITS_THROUGH_WIPE: Step[] = [
  { kind: "acquire", session: 0, keys: ["a"], ttl: 5, owner: null, wait: false },
  { kind: "acquire", session: 0, keys: ["a"], ttl: 5, owner: null, wait: true },
  { kind: "disaster" },
  { kind: "collect", session: 0 },
]

/** A message has reported it before Redis has forgotten it. */
const TAKEN_BEFORE_WIPE: Step[] = [
  { kind: "acquire", session: 0, keys: ["a"], ttl: 5, owner: null, wait: false },
  { kind: "forceRelease", key: "a" },
  { kind: "disaster" },
]

describe("any history of requests", () => {
  it("is the same on Redis as in memory, for all who take part, and when Redis is wiped", async () => {
    const play = inTime(async (steps) => {
      const expected = await History.play(steps, wipeableMemory)
      expect(await History.play(steps, onRedis)).toEqual(expected)
    })
    await fc.assert(fc.asyncProperty(histories, play), {
      ...SETTINGS,
      examples: [[TAKEN_UNHEARD], [GIVEN_UP_UNHEARD], [WAITS_THROUGH_WIPE], [TAKEN_BEFORE_WIPE]],
    })
  }, 120_000)
})
