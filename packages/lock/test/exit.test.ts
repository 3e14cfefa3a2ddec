import { spawn } from "node:child_process"
import type { Writable } from "node:stream"
import { fileURLToPath } from "node:url"
import { type LocalRedis, startRedis } from "@holdfast/redis-local"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { everyRun } from "./nightly.js"
import { server } from "./postgres-server.js"
import { LossyProxy } from "./proxy.js"

const tsx = fileURLToPath(import.meta.resolve("tsx"))

let redis: LocalRedis
beforeAll(async () => {
  redis = await startRedis()
})
afterAll(() => redis.kill())

/** Runs a script in a process of its own, and returns what it printed once it has ended by itself. */
function run(
  script: string,
  store = "memoryStore()",
  onReady: (input: Writable) => void = () => undefined,
): Promise<{ output: string; status: number | null }> {
  const source = (name: string) =>
    JSON.stringify(fileURLToPath(new URL(`../src/${name}.ts`, import.meta.url)))
  const head = `
    import { Locks } from ${source("index")}
    import { memoryStore } from ${source("memory")}
    import { redisStore } from ${source("redis/index")}
    import { postgresStore } from ${source("postgres/index")}
    import { Redis } from "ioredis"
    import { createClient } from "redis"
    import pg from "pg"
    const locks = new Locks(${store})
  `
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ["--import", tsx, "--input-type=module", "-e", head + script], {
      stdio: "pipe",
      timeout: 40_000,
      killSignal: "SIGKILL",
    })
    let output = ""
    child.stdout.on("data", (chunk) => {
      output += chunk
      if (chunk.includes("ready")) onReady(child.stdin)
    })
    child.stderr.on("data", (chunk) => (output += chunk))
    child.on("error", reject)
    child.on("close", (status) => resolve({ output, status }))
  })
}

it("a process that is done ends at once, without close()", async () => {
  const { output, status } = await run(`
    const lease = await locks.acquire("key", { ttl: 3_600_000 })
    const waiting = locks.acquire("key", { timeout: 3_600_000 })
    await lease.release()
    await (await waiting).release()
    await locks.acquire("key", { timeout: 20 }).then((next) => locks.tryAcquire("key").then(() => next.release()))
    console.log(process.getActiveResourcesInfo().filter((resource) => resource === "Timeout").length, "timers")
  `)
  expect({ output, status }).toEqual({ output: "0 timers\n", status: 0 })
})

it("a lease alone doesn't keep a process alive; a request that waits does", async () => {
  const { output } = await run(`
    await locks.acquire("key", { ttl: 3_600_000 })
    await locks.acquire("key", { timeout: 300 }).catch((error) => console.log(error.code))
  `)
  expect(output).toBe("LOCK_TIMEOUT\n")
})

it("neither the connections to Redis nor a lease there keep a process alive; a request that waits does", async () => {
  const { output, status } = await run(
    `
    await locks.acquire("key", { ttl: 3_600_000 })
    await locks.acquire("key", { timeout: 300 }).catch((error) => console.log(error.code))
    await locks.forceRelease("key")
    const [one, two] = await Promise.all([locks.acquire("key"), locks.acquire("other")])
    setTimeout(() => one.release(), 200).unref()
    await locks.acquire("key")
    console.log("done")
    `,
    `redisStore({ url: ${JSON.stringify(redis.url)} })`,
  )
  expect({ output, status }).toEqual({ output: "LOCK_TIMEOUT\ndone\n", status: 0 })
})

it("an answer of Redis that doesn't come keeps no process alive any more, once it has been given up", async () => {
  const hung = await startRedis()
  const script = `
    await locks.inspect()
    process.kill(${hung.pid}, "SIGSTOP")
    await locks.inspect().catch((error) => console.log(error.cause.message))
  `
  const store = `redisStore({ url: ${JSON.stringify(hung.url)}, commandTimeout: 200 })`
  try {
    expect(await run(script, store)).toEqual({ output: "Redis did not answer within 200 ms\n", status: 0 })
  } finally {
    await hung.kill()
  }
}, 30_000)

describe.concurrent("close() ends though the store hangs, after a request that timed out, and the process exits:", () => {
  const postgres = server()
  const STORES = {
    "Redis by url": (port: number) => `redisStore({ url: "redis://127.0.0.1:${port}" })`,
    "Redis by a function that makes a client of node-redis": (port: number) =>
      `redisStore({ client: () => createClient({ url: "redis://127.0.0.1:${port}" }) })`,
    "Redis by client": (port: number) => `redisStore({ client: globalThis.client = new Redis(${port}) })`,
    "Postgres by connectionString": (port: number) => `postgresStore({ connectionString: "${urlAt(port)}" })`,
    "Postgres by client": (port: number) =>
      `postgresStore({ client: () => new pg.Client({ connectionString: "${urlAt(port)}" }) })`,
    "Postgres by pool": (port: number) =>
      `postgresStore({ pool: new pg.Pool({ connectionString: "${urlAt(port)}", connectionTimeoutMillis: 1_000 }) })`,
  }
  const urlAt = (port: number) => postgres.url().replace(/:\d+\//, `:${port}/`)
  const cases = everyRun(STORES, ["Redis by url", "Postgres by pool"]).flatMap(([name, store]) =>
    ["from the start", "later"].map((since) => [name, since, store] as const),
  )

  it.each(cases)(
    "%s, hung %s",
    async (name, since, store) => {
      const target = name.startsWith("Redis") ? redis.port : Number(new URL(postgres.url()).port)
      await using proxy = await LossyProxy.open(target)
      if (since === "from the start") proxy.hang()
      const script = `
      if (${since === "later"}) await (await locks.acquire("${name}")).release()
      console.log("ready")
      await new Promise((resolve) => process.stdin.on("end", resolve).resume())
      await locks.acquire("${name}", { timeout: 300 }).catch(() => undefined)
      await locks.close()
      console.log("closed")
      globalThis.client?.disconnect()
    `
      const { output } = await run(script, store(proxy.port), (input) => {
        proxy.hang()
        input.end()
      })
      expect(output).toBe("ready\nclosed\n")
    },
    45_000,
  )
})
