import { type LocalCluster, type LocalSentinels, startCluster, startSentinels } from "@holdfast/redis-local"
import { Redis } from "ioredis"
import * as ioredis5 from "ioredis-5"
import { createClient, createCluster, createSentinel } from "redis"
import { createCluster as createCluster6, createSentinel as createSentinel6 } from "redis-6"
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import { Locks } from "../src/index.js"
import { type RedisClient, redisStore } from "../src/redis/index.js"
import { exerciseStore } from "../src/testing/index.js"
import { everyRun } from "./nightly.js"

interface Opened {
  readonly client: RedisClient
  close(): unknown
}

const CLUSTERS: Record<string, (urls: string[]) => Promise<Opened>> = {
  async "ioredis 5"(urls) {
    const client = new ioredis5.Cluster(urls)
    return { client, close: () => client.disconnect() }
  },
  async "node-redis 5"(urls) {
    const client = createCluster({ rootNodes: urls.map((url) => ({ url })) })
    client.on("error", () => undefined)
    await client.connect()
    return { client, close: () => client.destroy() }
  },
  async "node-redis 6"(urls) {
    const client = createCluster6({ rootNodes: urls.map((url) => ({ url })) })
    client.on("error", () => undefined)
    await client.connect()
    return { client, close: () => client.destroy() }
  },
}

describe("redisStore on a Cluster", () => {
  let cluster: LocalCluster
  beforeAll(async () => {
    cluster = await startCluster()
  }, 30_000)
  afterAll(() => cluster.kill())

  describe.each(everyRun(CLUSTERS, ["ioredis 5"]))("with %s", (_, openCluster) => {
    let opened: Opened
    beforeAll(async () => {
      opened = await openCluster(cluster.nodes.map(({ url }) => url))
    })
    afterAll(() => opened.close())

    exerciseStore({
      describe,
      it,
      open() {
        const prefix = crypto.randomUUID()
        return { store: () => redisStore({ client: opened.client, prefix }) }
      },
    })

    it("fails in time while the node of its keys is down, and goes on when it is back", async () => {
      const prefix = crypto.randomUUID()
      const locks = new Locks(redisStore({ client: opened.client, prefix, commandTimeout: 1_000 }), {
        ttl: 1_000,
        timeout: 20_000,
      })
      await locks.acquire("key", { renew: false })
      const turn = locks.run("key", () => "done")
      await expect.poll(async () => (await locks.inspect())[0]?.waiters.length).toBe(1)
      const slot = await cluster.nodes[0]?.say("CLUSTER", "KEYSLOT", `{${prefix}}`)
      const node = cluster.ownerOf(Number(slot?.slice(1)))
      process.kill(node.pid, "SIGSTOP")
      const start = performance.now()
      await expect(locks.acquire("other")).rejects.toMatchObject({ code: "LOCK_STORE_FAILED" })
      expect(performance.now() - start).toBeLessThan(5_000)
      process.kill(node.pid, "SIGCONT")
      expect(await turn).toBe("done")
      await locks.close()
      await expect.poll(() => statesOf(cluster)).toEqual(["ok"])
    })

    it("takes a function that makes the client, and closes what it made", async () => {
      const made: Opened[] = []
      const make = async () => {
        made.push(await openCluster(cluster.nodes.map(({ url }) => url)))
        return made[0]?.client as RedisClient
      }
      const locks = new Locks(redisStore({ client: make, prefix: crypto.randomUUID() }))
      expect(made).toEqual([])
      expect(await locks.run("key", () => "done")).toBe("done")
      await locks.close()
      await expect.poll(() => made.map(({ client }) => isClosed(client))).toEqual([true])
    })
  })

  it("says what to do where one of its nodes is taken for all", async () => {
    const prefix = crypto.randomUUID()
    const slot = await cluster.nodes[0]?.say("CLUSTER", "KEYSLOT", `{${prefix}}`)
    const other = cluster.nodes.find((node) => node !== cluster.ownerOf(Number(slot?.slice(1))))
    const url = other?.url ?? ""
    const client = createClient({ url })
    client.on("error", () => undefined)
    for (const options of [{ url }, { client: () => client }]) {
      await using locks = new Locks(redisStore({ ...options, prefix }))
      await expect(locks.acquire("key")).rejects.toMatchObject({
        code: "LOCK_NOT_SET_UP",
        message: expect.stringContaining("give the store a client of the Cluster"),
      })
    }
  })
})

/** What its nodes say of it: one that was stopped is held for failed for a moment more. */
async function statesOf({ nodes }: LocalCluster): Promise<(string | undefined)[]> {
  const infos = await Promise.all(nodes.map((node) => node.say("CLUSTER", "INFO")))
  return [...new Set(infos.map((info) => /cluster_state:(\w+)/.exec(info)?.[1]))]
}

const isClosed = (client: RedisClient) =>
  "status" in client ? /^(close|end)$/.test(client.status) : !client.isOpen

const SENTINELS: Record<string, (sentinels: LocalSentinels) => Promise<Opened>> = {
  "ioredis 6": async (sentinels) => ofIoredis(Redis, sentinels),
  "ioredis 5": async (sentinels) => ofIoredis(ioredis5.Redis as unknown as typeof Redis, sentinels),
  async "node-redis 5"({ options: { name, sentinels } }) {
    const client = createSentinel({ name, sentinelRootNodes: sentinels })
    client.on("error", () => undefined)
    await client.connect()
    return { client, close: () => client.destroy() }
  },
  async "node-redis 6"({ options: { name, sentinels } }) {
    const client = createSentinel6({ name, sentinelRootNodes: sentinels })
    client.on("error", () => undefined)
    await client.connect()
    return { client, close: () => client.destroy() }
  },
}

function ofIoredis(Client: typeof Redis, sentinels: LocalSentinels): Opened {
  const client = new Client({ ...sentinels.options, sentinelRetryStrategy: () => 100 })
  client.on("error", () => undefined)
  return { client, close: () => client.disconnect() }
}

describe("redisStore behind Sentinel", () => {
  let sentinels: LocalSentinels
  beforeAll(async () => {
    sentinels = await startSentinels()
  }, 30_000)
  afterAll(() => sentinels.kill())

  describe.each(everyRun(SENTINELS, ["ioredis 6", "node-redis 5"]))("with %s", (_, openSentinel) => {
    let opened: Opened
    afterEach(() => opened.close())

    it("goes on with greater tokens when the primary is lost", async () => {
      opened = await openSentinel(sentinels)
      const store = redisStore({ client: opened.client, prefix: crypto.randomUUID(), commandTimeout: 1_000 })
      const locks = new Locks(store, { timeout: 25_000 })
      const lease = await locks.acquire("key", { ttl: 4_000 })
      const turns = Array.from({ length: 20 }, () => locks.run("key", (it) => it.token))
      await expect.poll(async () => (await locks.inspect())[0]?.waiters.length).toBe(20)
      await sentinels.failOver()
      await lease.release().catch(() => false)
      const tokens = await Promise.all(turns)
      expect(tokens).toEqual([...tokens].sort((a, b) => (a < b ? -1 : 1)))
      expect(tokens[0]).toBeGreaterThan(lease.token)
      await locks.close()
    })
  })
})
