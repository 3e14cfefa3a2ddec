import { readFile } from "node:fs/promises"
import { type LocalRedis, startRedis } from "@holdfast/redis-local"
import { Redis } from "ioredis"
import { createClient, createSentinel } from "redis"
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { type LockDefaults, Locks } from "../src/index.js"
import { type RedisStoreOptions, redisStore } from "../src/redis/index.js"
import type { Batch } from "../src/store.js"
import { LossyProxy } from "./proxy.js"

const NOTHING: Batch = { renew: [], release: [], cancel: [], acquire: [] }
const STORE_FAILED = expect.objectContaining({ code: "LOCK_STORE_FAILED" })

let redis: LocalRedis
let admin: Redis
let prefix: string
const opened: Locks[] = []
const clients: { destroy(): unknown }[] = []
/** What the store is given for a url. */
let connect: (url: string) => RedisStoreOptions

beforeAll(async () => {
  redis = await startRedis({ settings: { "enable-debug-command": "yes" } })
  admin = new Redis(redis.url)
  admin.on("error", () => undefined)
})
beforeEach(() => {
  prefix = crypto.randomUUID()
})
afterEach(async () => {
  await Promise.all(opened.splice(0).map((locks) => locks.close()))
  await Promise.all(clients.splice(0).map((client) => client.destroy()))
})
afterAll(async () => {
  admin.disconnect()
  await redis.kill()
})

/** Another process, as far as Redis can tell. */
function open({ url = redis.url, ...options }: RedisStoreOptions = {}, defaults: LockDefaults = {}): Locks {
  const store = redisStore({ ...(options.client ? {} : connect(url)), prefix, ...options })
  const locks = new Locks(store, { timeout: 20_000, ...defaults })
  opened.push(locks)
  return locks
}

function nodeRedis(url: string): RedisStoreOptions {
  const client = createClient({ url })
  client.on("error", () => undefined)
  client.connect().catch(() => undefined)
  clients.push(client)
  return { client }
}

const setUser = (name: string, ...rules: string[]) =>
  admin.call("ACL", "SETUSER", name, "on", ">secret", ...rules)

/** Loses no more. A store that opens its own connection has replaced it by now; a user's client learns it by the cut. */
function regain(proxy: LossyProxy): void {
  proxy.loses = () => false
  if (connect === nodeRedis) proxy.cut()
}

/** As many requests wait for `key`, one behind the other. */
async function queueUp(locks: Locks, key: string, count: number): Promise<Promise<number>[]> {
  const turns = Array.from({ length: count }, (_, i) => locks.run(key, () => i))
  for (const turn of turns) turn.catch(() => undefined)
  await expect.poll(async () => (await locks.inspect())[0]?.waiters.length).toBe(count)
  return turns
}

/** Until the store can be asked again, after it could not. */
async function untilItLocks(locks: Locks): Promise<void> {
  const turn = () =>
    locks.acquire("key").then(
      (it) => it.release(),
      () => false,
    )
  await expect.poll(turn).toBe(true)
}

async function leftInRedis(): Promise<string[]> {
  const fields = await admin.hkeys(`{${prefix}}`)
  return fields.filter((field) => field !== "")
}

describe.each([
  ["a url", (url: string) => ({ url })],
  ["a client of node-redis 5", nodeRedis],
])("a Redis store by %s, whose server is in trouble", (_, how) => {
  beforeEach(() => {
    connect = how
  })

  it("grants to all 200 that wait when Redis is wiped, and tells the holder that it lost the lease", async () => {
    const [one, two] = [open({}, { ttl: 600 }), open()]
    const lease = await one.acquire("key")
    const turns = await queueUp(two, "key", 200)
    await redis.wipe()
    expect(await Promise.all(turns)).toHaveLength(200)
    await expect.poll(() => lease.signal.aborted).toBe(true)
    expect(await lease.release()).toBe(false)
    expect(await leftInRedis()).toEqual([])
  })

  it("grants to all 200 that wait when Redis is killed and comes back without its data", async () => {
    const [one, two] = [open({}, { ttl: 1_000 }), open()]
    await one.acquire("key", { renew: false })
    const turns = await queueUp(two, "key", 200)
    await redis.kill()
    await redis.restart()
    expect(await Promise.all(turns)).toHaveLength(200)
    expect(await leftInRedis()).toEqual([])
  })

  it("gives greater tokens after Redis was wiped, or killed and started anew", async () => {
    const locks = open()
    const tokens: bigint[] = []
    const turn = () =>
      locks
        .run("key", ({ token }) => tokens.push(token))
        .then(
          () => true,
          () => false,
        )
    for (const disaster of [async () => undefined, () => redis.wipe(), () => redis.restart()]) {
      await disaster()
      await expect.poll(turn).toBe(true)
      expect(await turn()).toBe(true)
    }
    expect(tokens).toEqual([...new Set(tokens)].sort((a, b) => (a < b ? -1 : 1)))
    expect(tokens).toHaveLength(6)
  })

  it.each([[["key"]], [["key", "other"]]])(
    "gives greater tokens than those that a replica never heard of, of %j",
    async (keys) => {
      const locks = open()
      await (await locks.acquire("key")).release()
      const behind = await admin.hgetBuffer(`{${prefix}}`, "")
      for (let i = 0; i < 100; i++) await (await locks.acquire("key")).release()
      const last = await locks.acquire("key")
      await last.release()
      await admin.hset(`{${prefix}}`, "", behind as Buffer)
      const lease = await locks.acquire(keys)
      expect(lease.token).toBeGreaterThan(last.token)
      await lease.release()
    },
  )

  it("fails in time when Redis hangs, and what it then reads too late does nothing", async () => {
    const locks = open({ commandTimeout: 400 })
    await (await locks.acquire("key")).release()
    const store = redisStore({ ...connect(redis.url), prefix, commandTimeout: 400 })
    const session = await store.connect(() => undefined)
    process.kill(redis.pid, "SIGSTOP")
    try {
      const request = { seq: 1, id: "late", owner: "late", keys: ["key"], ttl: 60_000, wait: true }
      const late = Promise.resolve(session.execute({ ...NOTHING, acquire: [request] }))
      await Promise.all([
        expect(late).rejects.toThrow("did not answer within 400 ms"),
        expect(locks.acquire("other")).rejects.toEqual(STORE_FAILED),
        expect(locks.tryAcquire("other")).rejects.toEqual(STORE_FAILED),
      ])
    } finally {
      process.kill(redis.pid, "SIGCONT")
    }
    await untilItLocks(locks)
    await session.close()
    expect(await leftInRedis()).toEqual([])
  })

  it("undoes what Redis did of a batch whose answer was lost", async () => {
    await using proxy = await LossyProxy.open(redis.port)
    const locks = open({ url: proxy.url, commandTimeout: 300 })
    await (await locks.acquire("key")).release()
    proxy.loses = () => true
    await expect(locks.acquire("key")).rejects.toEqual(STORE_FAILED)
    expect(await leftInRedis()).toContain("key")
    regain(proxy)
    await expect.poll(leftInRedis).toEqual([])
  })

  it("finds its way when an answer that granted to those who waited was lost", async () => {
    await using proxy = await LossyProxy.open(redis.port)
    const [one, two] = [open(), open({ url: proxy.url, commandTimeout: 300 })]
    const lease = await one.acquire("key")
    const turns = await queueUp(two, "key", 3)
    proxy.loses = (chunk) => !chunk.includes("message")
    await lease.release()
    await expect.poll(async () => (await one.inspect())[0]?.holders[0]?.expiresIn).toBeGreaterThan(2_000)
    regain(proxy)
    expect(await Promise.all(turns)).toEqual([0, 1, 2])
  })

  it("keeps what an answer granted that was lost for as long as its holder trusts it", async () => {
    await using proxy = await LossyProxy.open(redis.port)
    const [one, two, three] = [open(), open({ url: proxy.url, commandTimeout: 300 }), open()]
    const lease = await one.acquire("key")
    const heard = two.acquire("key", { ttl: 2_000, renew: false })
    await expect.poll(async () => (await one.inspect())[0]?.waiters.length).toBe(1)
    proxy.loses = () => true
    await lease.release()
    await expect(two.tryAcquire("other")).rejects.toEqual(STORE_FAILED)
    regain(proxy)
    const held = await heard
    await three.acquire("key")
    expect(held.loss).toBeDefined()
  })

  it("is not trusted beyond a nearer end that it was told, though the answer was lost", async () => {
    await using proxy = await LossyProxy.open(redis.port)
    const [one, two] = [open({ url: proxy.url, commandTimeout: 300 }), open()]
    const lease = await one.acquire("key", { ttl: 60_000 })
    proxy.loses = () => true
    await expect(lease.extend(1_000)).rejects.toEqual(STORE_FAILED)
    await two.acquire("key")
    expect(lease.loss).toBeDefined()
  })

  it("comes to its turn, and before the next, when the connection that hears of it is lost at that moment", async () => {
    const [one, two, three] = [open(), open(), open()]
    const lease = await one.acquire("key")
    const order: string[] = []
    const deaf = two.run("key", () => order.push("deaf"))
    await expect.poll(async () => (await one.inspect())[0]?.waiters.length).toBe(1)
    const next = three.run("key", () => order.push("next"))
    await expect.poll(async () => (await one.inspect())[0]?.waiters.length).toBe(2)
    await admin.call("CLIENT", "KILL", "TYPE", "pubsub")
    await lease.release()
    await Promise.all([deaf, next])
    expect(order).toEqual(["deaf", "next"])
  })

  it("passes over a session that no message reaches, which queues again and hears of the next turn", async () => {
    await using proxy = await LossyProxy.open(redis.port)
    const [one, two] = [open(), open({ url: proxy.url })]
    const lease = await one.acquire("key", { ttl: 3_000, renew: false })
    const [deaf] = await queueUp(two, "key", 1)
    const next = one.acquire("key")
    await expect.poll(async () => (await one.inspect())[0]?.waiters.length).toBe(2)
    const dead = proxy.connections
    proxy.loses = (chunk, connection) => connection <= dead && chunk.includes("message")
    const start = performance.now()
    await lease.release()
    const second = await next
    expect(performance.now() - start).toBeGreaterThanOrEqual(1_000)
    // It asks when the lease would have ended that it knows of.
    await expect.poll(async () => (await one.inspect())[0]?.waiters.length, { timeout: 5_000 }).toBe(1)
    await expect.poll(() => proxy.connections).toBe(dead + 1)
    const released = performance.now()
    await second.release()
    expect(await deaf).toBe(0)
    expect(performance.now() - released).toBeLessThan(1_000)
  })

  it("undoes what comes back from the dead with a replica that was behind", async () => {
    const [one, two, three] = [open(), open(), open()]
    const lease = await one.acquire("key", { ttl: 1_000, renew: false })
    const turns = await queueUp(two, "key", 1)
    const names = ["", ":expiries", ":waiters", ":wakeups"].map((name) => `{${prefix}}${name}`)
    const behind = await Promise.all(names.map((name) => admin.dumpBuffer(name)))
    await lease.release()
    await Promise.all(turns)
    for (const [i, name] of names.entries()) await admin.restore(name, 60_000, behind[i] as Buffer, "REPLACE")
    expect((await three.inspect())[0]?.waiters).toHaveLength(1)
    await (await three.acquire("key", { timeout: 5_000 })).release()
    expect(await leftInRedis()).toEqual([])
  })

  it("keeps a place in the queue and a lease while the network is cut for a moment", async () => {
    await using proxy = await LossyProxy.open(redis.port)
    const [one, two] = [open({ url: proxy.url }), open({ url: proxy.url })]
    const lease = await one.acquire("key", { ttl: 2_000 })
    const turns = await queueUp(two, "key", 5)
    for (let i = 0; i < 3; i++) {
      proxy.cut()
      await new Promise((resolve) => setTimeout(resolve, 300))
    }
    expect(lease.loss).toBeUndefined()
    await expect.poll(() => lease.release().catch(() => undefined)).toBeDefined()
    expect(await Promise.all(turns)).toEqual([0, 1, 2, 3, 4])
  })

  it("loads its script again after SCRIPT FLUSH", async () => {
    const locks = open()
    const lease = await locks.acquire("key")
    await admin.script("FLUSH")
    expect(await lease.release()).toBe(true)
  })

  it.each([
    "",
    "{",
    "null",
    "7",
    '{"granted":7}',
    '{"within":"soon"}',
    '{"taken":[{}],"granted":[[]],"within":0}',
  ])("is not disturbed by the message %j on its channel, which is none of its own", async (message) => {
    const [one, two] = [open(), open()]
    const lease = await one.acquire("key")
    const [turn] = await queueUp(two, "key", 1)
    const channels = (await admin.pubsub("CHANNELS", `{${prefix}}:*`)) as string[]
    expect(channels).toHaveLength(2)
    for (const channel of channels) await admin.publish(channel, message)
    await lease.release()
    expect(await turn).toBe(0)
  })

  it("tells that Redis has no memory left, and still lets go", async () => {
    const locks = open()
    const lease = await locks.acquire("key")
    await admin.config("SET", "maxmemory", "1")
    await expect(locks.acquire("other")).rejects.toEqual(STORE_FAILED)
    expect(await lease.release()).toBe(true)
    await admin.config("SET", "maxmemory", "0")
    await (await locks.acquire("other")).release()
    await expect.poll(leftInRedis).toEqual([])
  })

  it("tells that Redis has become a replica, and goes on when it is a primary again", async () => {
    const locks = open()
    await (await locks.acquire("key")).release()
    await admin.replicaof("127.0.0.1", 1)
    await expect(locks.acquire("key")).rejects.toEqual(STORE_FAILED)
    await admin.replicaof("NO", "ONE")
    await untilItLocks(locks)
  })

  it("needs no more than docs/lock.md says, of a user whose ACL forbids everything else", async () => {
    const docs = await readFile(new URL("../../../docs/lock.md", import.meta.url), "utf8")
    const [, may = ""] = /and `(\+@connection[^`]*)`/.exec(docs.replaceAll(/\s+/g, " ")) ?? []
    await setUser("locker", `~{${prefix}}*`, `&{${prefix}}*`, ...may.split(" "))
    const url = redis.url.replace("//", "//locker:secret@")
    const [one, two] = [open({ url }), open({ url })]
    const lease = await one.acquire(["key", "other"])
    const [turn] = await queueUp(two, "key", 1)
    expect((await two.inspect()).map(({ key }) => key)).toEqual(["key", "other"])
    await lease.release()
    expect(await turn).toBe(0)
    expect(await one.forceRelease("key")).toBe(false)
  })

  it.each([
    ["a command", "~*", "&*", "-@all", "+@connection", "+info", "+subscribe"],
    ["a command of the script", "~*", "&*", "-hmget"],
    ["the keys", "resetkeys", "~other*", "&*"],
    ["the channels", "~*", "resetchannels", "&other*"],
  ])("tells which rights to give to a user that may not use %s", async (_, ...rules) => {
    await setUser("poor", "+@all", ...rules)
    const locks = open({ url: redis.url.replace("//", "//poor:secret@") })
    const failure = await locks.acquire("key").catch((error) => error)
    expect(failure).toMatchObject({ code: "LOCK_NOT_SET_UP", cause: expect.any(Error) })
    const [, given = ""] = /ACL SETUSER <user> (.*)$/.exec(failure.message) ?? []
    await setUser("poor", ...given.split(" "))
    const lease = await locks.acquire("key")
    expect(await lease.release()).toBe(true)
    await setUser("poor", "-evalsha")
    await expect(locks.acquire("key")).rejects.toMatchObject({ code: "LOCK_NOT_SET_UP" })
  })

  it("tells that Redis is loading its data, and goes on when it has", async () => {
    const locks = open()
    await (await locks.acquire("key")).release()
    await admin.config("SET", "key-load-delay", "2000")
    await admin.config("SET", "loading-process-events-interval-bytes", "1024")
    for (let i = 0; i < 300; i++) await admin.set(`filler:${i}`, "x".repeat(100))
    const loading = admin.call("DEBUG", "RELOAD")
    await expect(locks.acquire("key")).rejects.toEqual(STORE_FAILED)
    await loading
    await untilItLocks(locks)
    await admin.config("SET", "key-load-delay", "0")
  })

  it.each(["", ":expiries", ":waiters", ":wakeups"])(
    "recovers from an eviction of {prefix}%s alone",
    async (name) => {
      const [one, two] = [open({}, { ttl: 1_000 }), open()]
      const lease = await one.acquire("key", { renew: false })
      const turns = await queueUp(two, "key", 3)
      await admin.del(`{${prefix}}${name}`)
      await lease.release().catch(() => false)
      expect(await Promise.all(turns)).toEqual([0, 1, 2])
    },
  )
})

/** Each connects through the proxy, and sends again by itself what has no answer when the connection is lost. */
const RESENDERS: Record<string, (proxy: LossyProxy) => Promise<RedisStoreOptions>> = {
  async "ioredis 6"({ url }) {
    const client = new Redis(url)
    client.on("error", () => undefined)
    clients.push({ destroy: () => client.disconnect() })
    return { client }
  },
  async "a sentinel of node-redis 5"({ port }) {
    const sentinel = await startRedis({ sentinel: `sentinel monitor primary 127.0.0.1 ${port} 1` })
    const sentinelRootNodes = [{ host: "127.0.0.1", port: sentinel.port }]
    const client = createSentinel({ name: "primary", sentinelRootNodes })
    client.on("error", () => undefined)
    await client.connect()
    clients.push({ destroy: () => Promise.all([client.destroy(), sentinel.kill()]) })
    return { client }
  },
}

it.each(Object.entries(RESENDERS))("takes no release for a loss that %s has sent twice", async (_, how) => {
  await using proxy = await LossyProxy.open(redis.port)
  const locks = open(await how(proxy))
  const lease = await locks.acquire("key")
  proxy.loses = () => true
  const released = expect(lease.release()).rejects.toEqual(STORE_FAILED)
  await expect.poll(leftInRedis).toEqual([])
  proxy.loses = () => false
  proxy.cut()
  await released
})
