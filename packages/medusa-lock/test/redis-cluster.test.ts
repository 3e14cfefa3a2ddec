import { startCluster } from "@holdfast/redis-local"
import { Cluster } from "ioredis"
import { expect, it } from "vitest"
import { startMedusa } from "./medusa.js"

it.each(["a client", "a function that makes one"])("locks on a Redis Cluster, by %s", async (how) => {
  const cluster = await startCluster()
  const made: Cluster[] = []
  const client = () => {
    made.push(new Cluster(cluster.nodes.map(({ url }) => url)))
    return made[0] as Cluster
  }
  const { locking, stop } = await startMedusa({
    resolve: "@holdfast/medusa-lock/redis",
    id: "holdfast",
    is_default: true,
    options: { client: how === "a client" ? client() : client },
  })
  await locking.acquire(["cart", "item"], { ownerId: "anna" })
  await expect(locking.acquire("item", { ownerId: "ben" })).rejects.toThrow("Failed to acquire lock")
  expect(await locking.release(["cart", "item"], { ownerId: "anna" })).toBe(true)
  expect(await locking.execute("item", async () => "done")).toBe("done")
  await stop()
  if (how === "a client") made[0]?.disconnect()
  else await expect.poll(() => made.map(({ status }) => /^(close|end)$/.test(status))).toEqual([true])
  await cluster.kill()
})
