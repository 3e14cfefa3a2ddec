import { randomUUID } from "node:crypto"
import { once } from "node:events"
import { setTimeout as sleep } from "node:timers/promises"
import { Locks } from "@holdfast/lock"
import { redisStore } from "@holdfast/lock/redis"
import { Mutex } from "async-mutex"
import { Redis } from "ioredis"
import { type Contender, type Opened, type Terms, TIMEOUT, TTL } from "./contender.ts"
import { mutexes } from "./memory.ts"
import { ours } from "./ours.ts"

/** Counts what is sent; every contender gets the same client with the same settings. */
class CountedRedis extends Redis {
  sent = 0

  override sendCommand(...[command, stream]: Parameters<Redis["sendCommand"]>): unknown {
    this.sent++
    return super.sendCommand(command, stream)
  }
}

/** How often plain SET NX tries again, in ms: as redis-semaphore does by default. */
const RETRY_AFTER = 10

const COMPARE_AND_DELETE =
  "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"

interface PlainRedis extends Redis {
  deleteIfEqual(key: string, value: string): Promise<number>
}

function plain(client: CountedRedis): Opened {
  client.defineCommand("deleteIfEqual", { numberOfKeys: 1, lua: COMPARE_AND_DELETE })
  const redis = client as unknown as PlainRedis
  const acquire = async (key: string, { ttl = TTL, timeout = TIMEOUT }: Terms) => {
    const value = randomUUID()
    const deadline = performance.now() + timeout
    while (!(await redis.set(`plain:${key}`, value, "PX", ttl, "NX"))) {
      if (performance.now() > deadline) throw new Error("timed out")
      await sleep(RETRY_AFTER)
    }
    return () => redis.deleteIfEqual(`plain:${key}`, value)
  }
  return {
    async pair(key) {
      const release = await acquire(key, {})
      await release()
    },
    async run([key = ""], job, terms = {}) {
      const release = await acquire(key, terms)
      try {
        await job()
      } finally {
        await release()
      }
    },
    close: async () => undefined,
  }
}

async function redlock(client: CountedRedis): Promise<Opened> {
  const { default: Redlock } = await import("redlock")
  // Its own settings, but that it gives up after ten tries, 200 ms apart; a renewal or release that fails is tried as often.
  const locks = new Redlock([client])
  locks.on("error", () => undefined)
  const patient = (timeout: number) => ({ retryCount: Math.ceil(timeout / 200) })
  return {
    async pair(key) {
      const lock = await locks.acquire([key], TTL)
      await lock.release()
    },
    run: (keys, job, { ttl = TTL, timeout = TIMEOUT } = {}) =>
      locks.using([...keys], ttl, patient(timeout), job),
    close: async () => undefined,
  }
}

async function redisSemaphore(client: CountedRedis): Promise<Opened> {
  const { Mutex } = await import("redis-semaphore")
  const mutex = (key: string, { ttl = TTL, timeout = TIMEOUT }: Terms) =>
    new Mutex(client, key, { lockTimeout: ttl, acquireTimeout: timeout })
  return {
    async pair(key) {
      const lock = mutex(key, {})
      await lock.acquire()
      await lock.release()
    },
    async run([key = ""], job, terms = {}) {
      const lock = mutex(key, terms)
      await lock.acquire()
      try {
        await job()
      } finally {
        await lock.release()
      }
    },
    close: async () => undefined,
  }
}

async function ioredfour(client: CountedRedis): Promise<Opened> {
  const { default: Lock } = await import("ioredfour")
  const locks = new Lock({ redis: client, namespace: "ioredfour" })
  // To close it while it is connecting would end the process.
  await once(locks._redisSubscriber, "ready")
  return {
    async pair(key) {
      await locks.releaseLock(await locks.waitAcquireLock(key, TTL, TIMEOUT))
    },
    async run([key = ""], job, { ttl = TTL, timeout = TIMEOUT } = {}) {
      const lock = await locks.waitAcquireLock(key, ttl, timeout)
      if (!lock.success) throw new Error("timed out")
      let result = "not asked"
      try {
        await job()
      } finally {
        result = (await locks.releaseLock(lock)).result
      }
      if (result === "conflict") throw new Error("released: conflict")
    },
    close: () => locks._redisSubscriber.quit(),
  }
}

async function medusa(client: CountedRedis): Promise<Opened> {
  const { RedisLockingProvider } = await import("@medusajs/locking-redis/dist/services/redis-lock.js")
  type Dependencies = ConstructorParameters<typeof RedisLockingProvider>[0]
  const locks = new RedisLockingProvider(
    { redisClient: client as unknown as Dependencies["redisClient"] },
    {},
  )
  return {
    async pair(key) {
      const ownerId = randomUUID()
      await locks.acquire(key, { ownerId, expire: TTL / 1_000, awaitQueue: true })
      await locks.release(key, { ownerId })
    },
    run: (keys, job, { ttl = TTL, timeout = TIMEOUT } = {}) =>
      locks.execute([...keys], job, { expire: ttl / 1_000, timeout: timeout / 1_000 }),
    close: async () => undefined,
  }
}

function contender(
  name: string,
  use: (client: CountedRedis) => Opened | Promise<Opened>,
  more = {},
): Contender {
  return {
    name,
    store: "redis",
    ...more,
    async open(address) {
      const client = new CountedRedis(address)
      client.on("error", () => undefined)
      const opened = await use(client)
      const close = async () => {
        await opened.close()
        client.disconnect()
      }
      return { ...opened, sent: () => client.sent, close }
    },
  }
}

function holdfast(client: CountedRedis): Opened {
  type Client = NonNullable<Parameters<typeof redisStore>[0]["client"]>
  // The store's types are those of ioredis 6 here.
  const store = redisStore({ client: client as unknown as Client })
  return ours(new Locks(store, { ttl: TTL, timeout: TIMEOUT }))
}

const NOTHING = "return {1, {}, {1}, {}, {}, false, -1}"

interface IdleRedis extends Redis {
  nothing(...args: string[]): Promise<unknown>
}

/** Calls Redis as often as Holdfast does and with arguments of the same size, for a script that does nothing. */
function trips(client: CountedRedis): Opened {
  client.defineCommand("nothing", { numberOfKeys: 4, lua: NOTHING })
  const redis = client as unknown as IdleRedis
  const keys = ["", ":expiries", ":waiters", ":wakeups"].map((name) => `{nothing}${name}`)
  const trip = (batch: unknown[]) =>
    redis.nothing(...keys, "execute", "session", JSON.stringify(batch), String(Date.now() * 1_000))
  const alone = mutexes(Mutex)
  return {
    async pair(key) {
      await trip([[], [], [], [[1, "lease", 0, TTL, 1, [key]]], 0])
      await trip([[], [["lease", [key], 1]], [], [], 0])
    },
    run: (keys, job) =>
      alone.run(keys, async () => {
        await job()
        await trip([[], [["lease", keys, 1]], [], [], 1])
      }),
    close: async () => undefined,
  }
}

export const redisContenders: readonly Contender[] = [
  contender("plain SET NX, compare and delete", plain, { baseline: true }),
  contender("redlock", redlock, { takesSeveral: true }),
  contender("redis-semaphore", redisSemaphore),
  contender("ioredfour", ioredfour),
  contender("@medusajs/locking-redis", medusa, { takesSeveral: true }),
  contender("Holdfast, Redis", holdfast, { takesSeveral: true }),
  contender("a script that does nothing", trips, { limit: true }),
]
