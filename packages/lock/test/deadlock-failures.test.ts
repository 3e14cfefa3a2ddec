import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { type LocalRedis, startRedis } from "@holdfast/redis-local"
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import { Locks } from "../src/index.js"
import { postgresStore } from "../src/postgres/index.js"
import { redisStore } from "../src/redis/index.js"
import { everyRun } from "./nightly.js"
import { server } from "./postgres-server.js"
import { storesBehindProxy } from "./stores-behind-proxy.js"

const source = (name: string) => JSON.stringify(fileURLToPath(new URL(`../src/${name}.ts`, import.meta.url)))
const tsx = fileURLToPath(import.meta.resolve("tsx"))
/** Holds the key FIRST, and once it is told to go on wants SECOND as well. */
const JOB = `
  import { once } from "node:events"
  import { Locks } from ${source("index")}
  import { redisStore } from ${source("redis/index")}
  import { postgresStore } from ${source("postgres/index")}
  const { STORE, FIRST, SECOND } = process.env
  const stores = { redis: redisStore, postgres: postgresStore }
  const [[name, options]] = Object.entries(JSON.parse(STORE))
  const locks = new Locks(stores[name](options), { ttl: 2_000, timeout: 60_000, trackNesting: true })
  const job = locks.run(FIRST, async () => {
    console.log("holds")
    await once(process.stdin, "data")
    await locks.run(SECOND, () => console.log("both"))
  })
  await job.catch((error) => console.log(error.code, error.message))
  await locks.close()
  process.exit()
`

const postgres = server()
let redis: LocalRedis
const children: ChildProcess[] = []
beforeAll(async () => {
  redis = await startRedis()
})
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL")
})
afterAll(() => redis.kill())

/** A process that runs the job, and what it prints, line by line. */
async function start(store: object, first: string, second: string) {
  const env = { ...process.env, STORE: JSON.stringify(store), FIRST: first, SECOND: second }
  const args = ["--import", tsx, "--input-type=module", "-e", JOB]
  const child = spawn(process.execPath, args, { env, stdio: ["pipe", "pipe", "inherit"] })
  children.push(child)
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const said = async () => (await lines.next()).value as string
  expect(await said()).toBe("holds")
  return { child, said, goOn: () => child.stdin.write("on\n") }
}

const STORES = {
  async redis() {
    const options = { url: redis.url, prefix: crypto.randomUUID() }
    return { name: { redis: options }, store: redisStore(options), drop: async () => {} }
  },
  async postgres() {
    const { schema, connectionString, drop } = await postgres.space()
    const options = { schema, connectionString }
    return { name: { postgres: options }, store: postgresStore(options), drop }
  },
}

const waiters = async (locks: Locks) => (await locks.inspect()).flatMap((state) => state.waiters).length

describe.each(Object.entries(STORES))(
  "two processes on %s that lock two keys in opposite order",
  (_, open) => {
    it("deadlock no more: the one whose request closes the circle is refused, and the other goes on", async () => {
      const { name, store, drop } = await open()
      const locks = new Locks(store)
      await locks.inspect()
      const [one, two] = await Promise.all([start(name, "a", "b"), start(name, "b", "a")])
      one.goOn()
      await expect.poll(() => waiters(locks)).toBe(1)
      two.goOn()
      expect(await two.said()).toMatch(
        /^LOCK_DEADLOCK .*waits for "a", which request .* holds .* waits for "b", which this/,
      )
      expect(await one.said()).toBe("both")
      await locks.close()
      await drop()
    })

    it("are a circle no more when one is killed and its lease has ended", async () => {
      const { name, store, drop } = await open()
      const locks = new Locks(store, { timeout: 60_000 })
      const b = await locks.acquire("b")
      const one = await start(name, "a", "b")
      one.goOn()
      await expect.poll(() => waiters(locks)).toBe(1)
      one.child.kill("SIGKILL")
      await once(one.child, "close")
      // No store knows of its death, but that its lease isn't renewed.
      await expect(locks.acquire("a", { holding: b })).rejects.toMatchObject({ code: "LOCK_DEADLOCK" })
      const held = async () => (await locks.inspect()).some(({ key, holders }) => key === "a" && holders[0])
      await expect.poll(held).toBe(false)
      const a = await locks.acquire("a", { holding: b })
      await Promise.all([a.release(), b.release()])
      await locks.close()
      await drop()
    })
  },
)

describe.each(everyRun(storesBehindProxy(), ["Redis by url", "Postgres by connectionString"]))(
  "%s, where the answer is lost that a request was refused",
  (_, open) => {
    it("asks again, and is told", async () => {
      await using behind = await open(500)
      await using locks = new Locks(behind.store, { timeout: 20_000, ttl: 60_000 })
      await using others = new Locks(behind.direct, { timeout: 20_000, ttl: 60_000 })
      const [a, b] = [await locks.acquire("a"), await others.acquire("b")]
      const waiting = others.acquire("a", { holding: b })
      await expect.poll(() => waiters(others)).toBe(1)
      let lost = 0
      behind.proxy.loses = () => lost++ === 0
      const refused = locks.acquire("b", { holding: a })
      await expect(refused).rejects.toMatchObject({ code: "LOCK_DEADLOCK", circle: [{}, {}] })
      expect(lost).toBeGreaterThan(1)
      expect(await a.release()).toBe(true)
      await (await waiting).release()
      await b.release()
      expect(await others.inspect()).toEqual([])
    })
  },
)
