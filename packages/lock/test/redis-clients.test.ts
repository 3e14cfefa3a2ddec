import { type LocalRedis, startRedis } from "@holdfast/redis-local"
import { Redis, type RedisOptions } from "ioredis"
import * as ioredis5 from "ioredis-5"
import { createClient, createClientPool, RESP_TYPES, type RedisClientOptions } from "redis"
import { createClient as createClient6 } from "redis-6"
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import { MAX_TTL } from "../src/arguments.js"
import { Locks } from "../src/index.js"
import { type RedisClient, redisStore } from "../src/redis/index.js"

let redis: LocalRedis
beforeAll(async () => {
  redis = await startRedis()
})
afterAll(() => redis.kill())

/** The names of the connections that Redis has, but for the one that asks. */
async function connections(): Promise<string[]> {
  const list = await redis.say("CLIENT", "LIST")
  return [...list.matchAll(/ name=(\S*) .* cmd=(\S+)/g)]
    .filter((it) => it[2] !== "client|list")
    .map((it) => it[1] ?? "")
}

/** Two sessions on the client of the connection "users". */
async function isUsedAndLeft(client: RedisClient, keyPrefix: string): Promise<void> {
  const prefix = crypto.randomUUID()
  const store = redisStore({ client, prefix })
  const [one, two] = [new Locks(store), new Locks(store)]
  const lease = await one.acquire(["a", "b"])
  const waiting = two.acquire(["b", "c"])
  await expect.poll(async () => (await one.inspect()).find(({ key }) => key === "c")?.waiters.length).toBe(1)
  expect(await connections()).toEqual(expect.arrayContaining(["users", "holdfast-lock", "holdfast-lock"]))
  expect(await redis.say("EXISTS", `${keyPrefix}{${prefix}}`)).toBe(":1\r\n")
  expect(await lease.release()).toBe(true)
  const next = await waiting
  expect(next.token).toBeGreaterThan(lease.token)
  expect(await one.forceRelease("c")).toBe(true)
  await expect.poll(() => next.loss?.code).toBe("LOCK_LOST")
  await Promise.all([one.close(), two.close()])
  await expect.poll(connections).toEqual(["users"])
}

const OPTIONS: Record<string, RedisOptions> = {
  "the defaults": {},
  "no offline queue": { enableOfflineQueue: false },
  "no offline queue, connecting when it is used": { enableOfflineQueue: false, lazyConnect: true },
  "retries without an end": { maxRetriesPerRequest: null },
  "a command timeout": { commandTimeout: 1_000 },
  "a key prefix": { keyPrefix: "app:" },
  "numbers as strings": { stringNumbers: true },
  "no reconnecting": { retryStrategy: () => null },
  "pipelining of its own": { enableAutoPipelining: true },
}

const VERSIONS = { "ioredis 6": Redis, "ioredis 5": ioredis5.Redis as unknown as typeof Redis }

describe.each(Object.entries(VERSIONS))("a client of %s", (_, Client) => {
  let client: Redis
  afterEach(() => client.disconnect())

  it.each(Object.entries(OPTIONS))("with %s is used as it is, and left as it was", async (_, options) => {
    client = new Client(redis.url, { connectionName: "users", ...options })
    await isUsedAndLeft(client, options.keyPrefix ?? "")
    expect(client.status).toBe("ready")
    expect(await client.ping()).toBe("PONG")
  })
})

const NODE_REDIS: Record<string, RedisClientOptions> = {
  "the defaults": {},
  "no offline queue": { disableOfflineQueue: true },
  "RESP 3": { RESP: 3 },
  "replies as buffers": {
    commandOptions: { typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer, [RESP_TYPES.NUMBER]: String } },
  },
  "a command timeout": { commandOptions: { timeout: 1_000 } },
  "no reconnecting": { socket: { reconnectStrategy: false } },
  "pings of its own": { pingInterval: 50 },
}

const NODE_VERSIONS = {
  "node-redis 5": createClient,
  "node-redis 6": createClient6 as unknown as typeof createClient,
}

describe.each(Object.entries(NODE_VERSIONS))("a client of %s", (_, create) => {
  it.each(Object.entries(NODE_REDIS))("with %s is used as it is, and left as it was", async (_, options) => {
    const client = create({ url: redis.url, name: "users", ...options })
    client.on("error", () => undefined)
    await client.connect()
    await isUsedAndLeft(client, "")
    expect(client.isReady).toBe(true)
    expect(String(await client.ping())).toBe("PONG")
    client.destroy()
  })

  it("that is still connecting is waited for", async () => {
    const client = create({ url: redis.url })
    const connected = client.connect()
    const locks = new Locks(redisStore({ client, prefix: crypto.randomUUID() }))
    await locks.run("key", () => undefined)
    await locks.close()
    await connected
    client.destroy()
  })

  it("that is not open is an error that says what to do, and works once it is", async () => {
    const client = create({ url: redis.url })
    const locks = new Locks(redisStore({ client, prefix: crypto.randomUUID() }))
    await expect(locks.acquire("key")).rejects.toMatchObject({
      code: "LOCK_NOT_SET_UP",
      message: expect.stringContaining("await client.connect()"),
    })
    await client.connect()
    await locks.run("key", () => undefined)
    client.destroy()
    await expect(locks.acquire("key")).rejects.toMatchObject({ code: "LOCK_STORE_FAILED" })
    await locks.close()
  })
})

it("puts the key prefix of a client of node-redis 6 before its keys, as ioredis does", async () => {
  const client = createClient6({ url: redis.url, name: "users", keyPrefix: "app:" })
  await client.connect()
  await isUsedAndLeft(client, "app:")
  client.destroy()
})

describe("redisStore", () => {
  it("closes what it has opened, and leaves nothing in Redis that doesn't vanish by itself", async () => {
    const prefix = crypto.randomUUID()
    const locks = new Locks(redisStore({ url: redis.url, prefix }))
    const lease = await locks.acquire(["a", "b"])
    const waiting = locks.acquire("a")
    await lease.release()
    await (await waiting).release()
    await locks.close()
    await expect.poll(connections).toEqual([])
    expect(await redis.say("HKEYS", `{${prefix}}`)).toBe("*1\r\n$0\r\n\r\n")
    for (const name of ["", ":expiries", ":waiters", ":wakeups"])
      expect(Number((await redis.say("PTTL", `{${prefix}}${name}`)).slice(1))).toBeGreaterThan(1_000_000)
  })

  it("keeps a lease without an end for as long as it is held, and then lets the space vanish again", async () => {
    const prefix = crypto.randomUUID()
    const locks = new Locks(redisStore({ url: redis.url, prefix }))
    await (await locks.acquire("other")).release()
    const lease = await locks.acquire("key", { ttl: Number.POSITIVE_INFINITY })
    expect(await redis.say("PTTL", `{${prefix}}`)).toBe(":-1\r\n")
    await lease.release()
    expect(Number((await redis.say("PTTL", `{${prefix}}`)).slice(1))).toBeGreaterThan(1_000_000)
    await locks.close()
  })

  it("holds, renews and frees a lease with the longest ttl that is finite", async () => {
    const prefix = crypto.randomUUID()
    await using locks = new Locks(redisStore({ url: redis.url, prefix }))
    const lease = await locks.acquire("key", { ttl: MAX_TTL })
    expect((await locks.inspect())[0]?.holders[0]?.expiresIn).toBeGreaterThan(MAX_TTL - 60_000)
    expect(Number((await redis.say("PTTL", `{${prefix}}`)).slice(1))).toBeGreaterThan(MAX_TTL)
    await lease.extend(MAX_TTL)
    expect(await lease.release()).toBe(true)
    expect(await locks.inspect()).toEqual([])
  })

  it("knows nothing of the locks of another prefix", async () => {
    const one = new Locks(redisStore({ url: redis.url, prefix: "one" }))
    const two = new Locks(redisStore({ url: redis.url, prefix: "two" }))
    const lease = await one.acquire("key")
    await (await two.acquire("key", { timeout: 0 })).release()
    expect(await two.inspect()).toEqual([])
    await lease.release()
    await Promise.all([one.close(), two.close()])
  })

  const node = createClient()
  const REFUSED: [string, object | undefined][] = [
    ["nothing", undefined],
    ["neither", {}],
    ["both", { url: "redis://x", client: new Redis({ lazyConnect: true }) }],
    ["an empty url", { url: "" }],
    ["a url of spaces", { url: " " }],
    ["no url", { url: null }],
    ["a URL, not its text", { url: new URL("redis://x") }],
    ["a url of another kind", { url: "https://user:secret@x" }],
    ["redisOptions that are none", { url: "redis://x", redisOptions: "tls" }],
    ["no client", { client: null }],
    ["an object", { client: {} }],
    ["a class", { client: Redis }],
    ["the address of a client", { client: "redis://x" }],
    [
      "a client of node-redis 4",
      { client: { isOpen: true, sendCommand() {}, evalSha() {}, disconnect() {} } },
    ],
    ["a pool of node-redis", { client: createClientPool() }],
    ["a callback client of node-redis", { client: node.legacy() }],
    ["an empty prefix", { url: "redis://x", prefix: "" }],
    ["a prefix with a brace", { url: "redis://x", prefix: "a{b" }],
  ]
  it.each(REFUSED)("refuses %s at once, and shows nothing that may be secret", (_, options) => {
    const attempt = () => redisStore(options as never)
    expect(attempt).toThrow(expect.objectContaining({ code: "LOCK_INVALID_ARGUMENT" }))
    expect(attempt).not.toThrow("secret")
  })

  it("fails at once where no server listens, and names no password", async () => {
    const locks = new Locks(redisStore({ url: "redis://user:secret@127.0.0.1:1" }))
    const failure = await locks.acquire("key").catch((error) => error)
    expect(failure.code).toBe("LOCK_STORE_FAILED")
    expect(`${failure.message} ${failure.stack} ${JSON.stringify(failure.cause)}`).not.toContain("secret")
    await locks.close()
  })

  it("fails when Redis refuses the password", async () => {
    const locks = new Locks(redisStore({ url: redis.url.replace("//", "//user:secret@") }))
    const failure = await locks.acquire("key").catch((error) => error)
    expect(failure.code).toBe("LOCK_STORE_FAILED")
    expect(`${failure.message} ${JSON.stringify(failure.cause)}`).not.toContain("secret")
    await locks.close()
  })
})
