import { spawn } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import { type LocalRedis, startRedis } from "@holdfast/redis-local"
import pg from "pg"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { Locks } from "../src/index.js"
import { postgresStore } from "../src/postgres/index.js"
import { redisStore } from "../src/redis/index.js"
import { server } from "./postgres-server.js"

const CLI = fileURLToPath(new URL("../dist/cli.js", import.meta.url))

/** Runs the built program. */
async function cli(args: string[], env: Record<string, string> = {}) {
  const child = spawn(process.execPath, [CLI, ...args], { env: { PATH: process.env.PATH, ...env } })
  let stdout = ""
  let stderr = ""
  child.stdout.on("data", (chunk) => (stdout += chunk))
  child.stderr.on("data", (chunk) => (stderr += chunk))
  const [status] = (await once(child, "close")) as [number | null]
  return { status, stdout, stderr }
}

let redis: LocalRedis
const postgres = server()
beforeAll(async () => {
  redis = await startRedis()
})
afterAll(() => redis.kill())

const STORES = {
  async redis() {
    const prefix = crypto.randomUUID()
    const args = ["--store", redis.url, "--prefix", prefix]
    return { args, locks: new Locks(redisStore({ url: redis.url, prefix })), drop: async () => {} }
  },
  async postgres() {
    const { schema, connectionString, drop } = await postgres.space()
    const args = ["--store", connectionString, "--schema", schema]
    return { args, locks: new Locks(postgresStore({ connectionString, schema })), drop }
  },
}

it("ends without an error when its output is closed", async () => {
  const locks = new Locks(redisStore({ url: redis.url, prefix: "closed-output" }))
  // More than a pipe holds.
  await locks.acquire(Array.from({ length: 2_000 }, (_, i) => `a key of some length, number ${i}`))
  const args = [CLI, "list", "--store", redis.url, "--prefix", "closed-output"]
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] })
  child.stdout.destroy()
  let stderr = ""
  child.stderr.on("data", (chunk) => (stderr += chunk))
  expect(await once(child, "close")).toEqual([0, null])
  expect(stderr).toBe("")
  await locks.close()
})

describe.each(Object.entries(STORES))("on %s", (_, open) => {
  it("lists what is held and who waits", async () => {
    const { args, locks, drop } = await open()
    await locks.inspect()
    expect(await cli(["list", ...args])).toEqual({
      status: 0,
      stdout: "No key is held, and no request waits.\n",
      stderr: "",
    })
    const lease = await locks.acquire(["item:2", "item:1"], { owner: "me" })
    const waiting = locks.acquire("item:1", { owner: "you" }).catch(() => undefined)
    const waiters = async () => (await locks.inspect()).flatMap((state) => state.waiters)
    await expect.poll(waiters).toHaveLength(1)

    const { stdout } = await cli(["list", ...args])
    const lines = stdout.trimEnd().split("\n")
    expect(lines[0]).toMatch(/^KEY +HOLDER +TOKEN +HELD +EXPIRES +WAITERS +LONGEST$/)
    expect(lines[1]).toMatch(/^item:1 +me +\d+ +[\d.]+s +[\d.]+s +1 +[\d.]+s$/)
    expect(lines[1]).toContain(` ${lease.token} `)
    expect(lines[2]).toMatch(/^item:2 +me +\d+ +[\d.]+s +[\d.]+s$/)

    const json = await cli(["list", "--json", ...args])
    expect(JSON.parse(json.stdout)).toMatchObject([
      { key: "item:1", holders: [{ owner: "me", token: String(lease.token) }], waiters: [{ owner: "you" }] },
      { key: "item:2", holders: [{ owner: "me" }], waiters: [] },
    ])
    await locks.close()
    await waiting
    await drop()
  })

  it("releases a key, and tells what else went with it", async () => {
    const { args, locks, drop } = await open()
    const lease = await locks.acquire(["a", "b"], { owner: "me" })
    const { token } = lease
    expect(await cli(["release", "a", ...args])).toEqual({
      status: 0,
      stdout: `Released a, which me held with token ${token}, and with it b\n`,
      stderr: "",
    })
    await expect.poll(() => lease.loss?.code).toBe("LOCK_LOST")
    expect(await cli(["release", "a", ...args])).toEqual({
      status: 1,
      stdout: "",
      stderr: "holdfast-lock: No lease holds a\n",
    })
    await locks.close()
    await drop()
  })
})

describe("looking at a lock space that isn't there", () => {
  it("makes none in Postgres, and says so", async () => {
    const { schema, connectionString, drop } = await postgres.space()
    const args = ["--store", connectionString, "--schema", schema]
    for (const command of [["list"], ["release", "key"]]) {
      const { status, stdout, stderr } = await cli([...command, ...args])
      expect(stderr).toContain(`holdfast-lock: There are no locks in the schema ${schema} of this database`)
      expect({ status, stdout }).toEqual({ status: 3, stdout: "" })
    }
    const client = new pg.Client({ connectionString })
    await client.connect()
    const { rows } = await client.query("SELECT FROM pg_namespace WHERE nspname = $1", [schema])
    await client.end()
    await drop()
    expect(rows).toEqual([])
  })

  it("upgrades none in Postgres, and says so", async () => {
    const { schema, connectionString, drop } = await postgres.space()
    const locks = new Locks(postgresStore({ connectionString, schema }))
    await locks.inspect()
    await locks.close()
    const client = new pg.Client({ connectionString })
    await client.connect()
    await client.query(
      `CREATE OR REPLACE FUNCTION ${schema}.version() RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT 1'`,
    )
    const { status, stderr } = await cli(["list", "--store", connectionString, "--schema", schema])
    expect(stderr).toMatch(/is of version 1, and this command knows version \d+/)
    expect(status).toBe(3)
    expect((await client.query(`SELECT ${schema}.version()`)).rows).toEqual([{ version: 1 }])
    await client.end()
    await drop()
  })

  it("leaves no key in Redis", async () => {
    const { status, stdout } = await cli(["list", "--store", redis.url, "--prefix", "not-there"])
    expect({ status, stdout }).toEqual({ status: 0, stdout: "No key is held, and no request waits.\n" })
    expect(await redis.say("KEYS", "{not-there}*")).toBe("*0\r\n")
  })
})

describe("a mistake", () => {
  const SECRET = "redis://user:s3cret@127.0.0.1:1"
  const MISTAKES: [string, string[], RegExp][] = [
    ["no command", [], /A command is missing/],
    ["a command that there isn't", ["steal"], /There is no command "steal"/],
    ["no store", ["list"], /--store or HOLDFAST_LOCK_STORE/],
    ["a store of another kind", ["list", "--store", "mysql://user:s3cret@h"], /must be a URL that starts/],
    ["a URL that is none", ["list", "--store", "postgres://user:s3cret@[h"], /must be a URL that starts/],
    ["an option that there isn't", ["list", "--stor=redis://user:s3cret@h"], /There is no option --stor\./],
    ["an option without its value", ["list", "--store"], /lacks its value/],
    [
      "an option of the other store",
      ["list", "--store", SECRET, "--schema", "s"],
      /--schema is for Postgres/,
    ],
    ["no key", ["release", "--store", SECRET], /release needs a key/],
    ["two keys", ["release", "a", "b", "--store", SECRET], /too many arguments/],
    ["a key that can't be", ["release", "", "--store", SECRET], /key must not be empty/],
    ["a watch without a terminal", ["watch", "--store", SECRET], /needs a terminal; holdfast-lock list/],
  ]
  it.concurrent.each(MISTAKES)("is reported: %s", async (_, args, message) => {
    const { status, stdout, stderr } = await cli(args)
    expect(stderr).toMatch(message)
    expect(stderr + stdout).not.toContain("s3cret")
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" })
  })
})

it("takes the store from the environment, and shows none of its secrets when it can't be reached", async () => {
  for (const scheme of ["redis", "postgres"]) {
    const HOLDFAST_LOCK_STORE = `${scheme}://user:s3cret@127.0.0.1:1`
    const { status, stderr } = await cli(["list"], { HOLDFAST_LOCK_STORE })
    expect(stderr).toMatch(/^holdfast-lock: The lock store failed: .*ECONNREFUSED/)
    expect(stderr).not.toContain("s3cret")
    expect(status).toBe(3)
  }
})

it("tells its version and how it is used", async () => {
  expect((await cli(["--version"])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
  const { status, stdout } = await cli(["--help"])
  expect(stdout).toContain("Usage: holdfast-lock")
  for (const line of stdout.split("\n")) expect(line.length).toBeLessThanOrEqual(80)
  expect(status).toBe(0)
})
