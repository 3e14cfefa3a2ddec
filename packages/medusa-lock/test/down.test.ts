import { randomBytes } from "node:crypto"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { startPostgres, unsafeFastSettings } from "@holdfast/postgres-local"
import { startRedis } from "@holdfast/redis-local"
import { MedusaError } from "@medusajs/framework/utils"
import { describe, expect, it } from "vitest"
import { startMedusa } from "./medusa.js"
import { holdfast, SHARED, type StoreName } from "./stores.js"

/** A server that the test ends, and starts again at the same address. */
async function startServer(store: StoreName) {
  if (store === "redis") {
    const redis = await startRedis()
    return { options: { redisUrl: redis.url }, end: () => redis.kill(), startAgain: () => redis.restart() }
  }
  const dataDir = join(tmpdir(), `holdfast-down-${randomBytes(6).toString("hex")}`)
  let postgres = await startPostgres({ dataDir, settings: unsafeFastSettings })
  const { port } = postgres
  return {
    options: { databaseUrl: postgres.url() },
    end: () => postgres.stop(),
    async startAgain() {
      postgres = await startPostgres({ dataDir, port, persistent: false, settings: unsafeFastSettings })
    },
  }
}

describe.each(SHARED)("while %s is down", (store) => {
  it("nothing runs without its lock, a job that has lost it is told, and all goes on when it is back", async () => {
    const { options, end, startAgain } = await startServer(store)
    const config = holdfast(store, { keepAlive: 1 })
    const { locking, stop } = await startMedusa({ ...config, options: { ...config.options, ...options } })
    const down = expect.objectContaining({ type: MedusaError.Types.UNEXPECTED_STATE })
    const lost = expect.objectContaining({ type: MedusaError.Types.CONFLICT })

    const running = locking.execute("key", async (signal) => {
      await end()
      await new Promise((resolve) => signal?.addEventListener("abort", resolve))
    })
    await expect(running).rejects.toEqual(lost)
    let ran = false
    await expect(locking.execute("another", async () => (ran = true))).rejects.toEqual(down)
    await expect(locking.acquire("another", { ownerId: "anna" })).rejects.toEqual(down)
    expect(ran).toBe(false)

    await startAgain()
    await expect
      .poll(() => locking.execute("key", async () => "done", { timeout: 30 }).catch(() => "not yet"), {
        timeout: 30_000,
      })
      .toBe("done")
    await stop()
    await end()
  })
})
