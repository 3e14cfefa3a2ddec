import { type LocalCluster, type LocalSentinels, startCluster, startSentinels } from "@holdfast/redis-local"
import { type Cluster, Redis } from "ioredis"
import * as ioredis5 from "ioredis-5"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { Locks } from "../src/index.js"
import { redisStore } from "../src/redis/index.js"
import { exerciseStore } from "../src/testing/index.js"

describe("redisStore on a Cluster, with ioredis 5", () => {
  let cluster: LocalCluster
  let client: Cluster
  beforeAll(async () => {
    cluster = await startCluster()
    client = new ioredis5.Cluster(cluster.nodes.map(({ url }) => url)) as unknown as Cluster
  }, 30_000)
  afterAll(async () => {
    client.disconnect()
    await cluster.kill()
  })

  exerciseStore({
    describe,
    it,
    open() {
      const prefix = crypto.randomUUID()
      return { store: () => redisStore({ client, prefix }) }
    },
  })

  it("takes a function that makes the client, and closes what it made", async () => {
    const made: Cluster[] = []
    const make = () => {
      made.push(new ioredis5.Cluster(cluster.nodes.map(({ url }) => url)) as unknown as Cluster)
      return made[0] as Cluster
    }
    const locks = new Locks(redisStore({ client: make, prefix: crypto.randomUUID() }))
    expect(made).toEqual([])
    expect(await locks.run("key", () => "done")).toBe("done")
    await locks.close()
    await expect.poll(() => made.map(({ status }) => /^(close|end)$/.test(status))).toEqual([true])
  })

  it("says what to do where one of its nodes is taken for all", async () => {
    const prefix = crypto.randomUUID()
    const slot = Number(await client.cluster("KEYSLOT", `{${prefix}}`))
    const other = cluster.nodes.find((node) => node !== cluster.ownerOf(slot))
    await using locks = new Locks(redisStore({ url: other?.url ?? "", prefix }))
    await expect(locks.acquire("key")).rejects.toMatchObject({
      code: "LOCK_NOT_SET_UP",
      message: expect.stringContaining("give the store a Cluster of ioredis"),
    })
  })

  it("fails in time while the node of its keys is down, and goes on when it is back", async () => {
    const prefix = crypto.randomUUID()
    const locks = new Locks(redisStore({ client, prefix, commandTimeout: 1_000 }), {
      ttl: 1_000,
      timeout: 20_000,
    })
    await locks.acquire("key", { renew: false })
    const turn = locks.run("key", () => "done")
    await expect.poll(async () => (await locks.inspect())[0]?.waiters.length).toBe(1)
    const node = cluster.ownerOf(Number(await client.cluster("KEYSLOT", `{${prefix}}`)))
    process.kill(node.pid, "SIGSTOP")
    const start = performance.now()
    await expect(locks.acquire("other")).rejects.toMatchObject({ code: "LOCK_STORE_FAILED" })
    expect(performance.now() - start).toBeLessThan(5_000)
    process.kill(node.pid, "SIGCONT")
    expect(await turn).toBe("done")
    await locks.close()
  })
})

describe("redisStore behind Sentinel", () => {
  let sentinels: LocalSentinels
  beforeAll(async () => {
    sentinels = await startSentinels()
  }, 30_000)
  afterAll(() => sentinels.kill())

  it.each([
    ["ioredis 6", Redis],
    ["ioredis 5", ioredis5.Redis as unknown as typeof Redis],
  ])("goes on with greater tokens when the primary is lost, with %s", async (_, Client) => {
    const client = new Client({ ...sentinels.options, sentinelRetryStrategy: () => 100 })
    client.on("error", () => undefined)
    const locks = new Locks(redisStore({ client, prefix: crypto.randomUUID(), commandTimeout: 1_000 }), {
      timeout: 25_000,
    })
    const lease = await locks.acquire("key", { ttl: 4_000 })
    const turns = Array.from({ length: 20 }, () => locks.run("key", (it) => it.token))
    await expect.poll(async () => (await locks.inspect())[0]?.waiters.length).toBe(20)
    await sentinels.failOver()
    await lease.release().catch(() => false)
    const tokens = await Promise.all(turns)
    expect(tokens).toEqual([...tokens].sort((a, b) => (a < b ? -1 : 1)))
    expect(tokens[0]).toBeGreaterThan(lease.token)
    await locks.close()
    client.disconnect()
  })
})
