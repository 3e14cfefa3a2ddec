import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { type LocalRedis, startRedis } from "@holdfast/redis-local"
import { afterAll, beforeAll, expect, it } from "vitest"

const tsx = fileURLToPath(import.meta.resolve("tsx"))

let redis: LocalRedis
beforeAll(async () => {
  redis = await startRedis()
})
afterAll(() => redis.kill())

/** Runs a script in a process of its own, and returns what it printed once it has ended by itself. */
function run(script: string, store = "memoryStore()"): Promise<{ output: string; status: number | null }> {
  const source = (name: string) =>
    JSON.stringify(fileURLToPath(new URL(`../src/${name}.ts`, import.meta.url)))
  const head = `
    import { Locks } from ${source("index")}
    import { memoryStore } from ${source("memory")}
    import { redisStore } from ${source("redis/index")}
    const locks = new Locks(${store})
  `
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ["--import", tsx, "--input-type=module", "-e", head + script])
    let output = ""
    child.stdout.on("data", (chunk) => (output += chunk))
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
