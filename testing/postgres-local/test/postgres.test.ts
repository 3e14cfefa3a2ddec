import { type ChildProcess, execFileSync, fork, spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync, readFileSync } from "node:fs"
import { chmod, mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import pg from "pg"
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest"
import { findBinaries } from "../src/binaries.ts"
import { openCluster } from "../src/cluster.ts"
import { type LocalPostgres, startPostgres, unsafeFastSettings } from "../src/index.ts"

let used: string
let folder: string
let dataDir: string
const running = new Set<LocalPostgres>()
const children = new Set<ChildProcess>()

beforeAll(async () => {
  used = join(await mkdtemp(join(tmpdir(), "postgres-local-")), "data")
  await (await startPostgres({ dataDir: used, settings: unsafeFastSettings })).stop()
})

afterAll(() => rm(dirname(used), { recursive: true, force: true }))

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "postgres-local-"))
  dataDir = join(folder, "data")
})

/** The data of a server that has run; a copy, since making it takes a second. */
function usedData() {
  execFileSync("cp", ["-a", used, dataDir])
}

afterEach(async () => {
  for (const postgres of running) await postgres.stop()
  running.clear()
  for (const child of children) child.kill("SIGKILL")
  children.clear()
  await rm(folder, { recursive: true, force: true })
})

async function start(options: Partial<Parameters<typeof startPostgres>[0]> = {}) {
  const postgres = await startPostgres({ dataDir, settings: unsafeFastSettings, ...options })
  running.add(postgres)
  return postgres
}

async function stop(postgres: LocalPostgres) {
  running.delete(postgres)
  await postgres.stop()
}

async function query(url: string, sql: string) {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query(sql)).rows
  } finally {
    await client.end()
  }
}

async function launch() {
  const script = fileURLToPath(new URL("./launcher.ts", import.meta.url))
  const child = fork(script, [dataDir], { execArgv: ["--import", import.meta.resolve("tsx")] })
  children.add(child)
  const [answer] = await once(child, "message")
  return { child, answer: answer as { pid: number; port: number; code?: string; message?: string } }
}

// A container's first process may not reap what it inherits: a zombie has ended.
const alive = (pid: number) =>
  existsSync(`/proc/${pid}`) && !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"))

test("keeps the data between starts", async () => {
  const first = await start()
  const url = await first.createDatabase("shop")
  await query(url, "CREATE TABLE kept AS SELECT 1 AS one")
  await stop(first)
  const second = await start()
  expect(await query(second.url("shop"), "SELECT one FROM kept")).toEqual([{ one: 1 }])
})

test("makes the folders above the data too, and leaves them open to its account", async () => {
  await chmod(folder, 0o755)
  const postgres = await start({ dataDir: join(folder, "new", "place", "data") })
  expect(await query(postgres.url("postgres"), "SELECT 1 AS one")).toEqual([{ one: 1 }])
})

test("writes to the disk unless a test says otherwise", async () => {
  const postgres = await start({ settings: {} })
  expect(await query(postgres.url(), "SHOW fsync")).toEqual([{ fsync: "on" }])
})

test("copies a template, and drops a database that is in use", async () => {
  usedData()
  const postgres = await start()
  await query(await postgres.createDatabase("template"), "CREATE TABLE t AS SELECT 7 AS n")
  const copy = await postgres.createDatabase("copy", { template: "template" })
  expect(await query(copy, "SELECT n FROM t")).toEqual([{ n: 7 }])
  const client = new pg.Client({ connectionString: copy })
  client.on("error", () => {})
  await client.connect()
  await postgres.dropDatabase("copy")
  expect(await postgres.databases()).toEqual(["postgres", "template"])
})

test("leaves nothing behind when it is not persistent", async () => {
  const postgres = await start({ persistent: false })
  await stop(postgres)
  expect(existsSync(dataDir)).toBe(false)
  expect(existsSync(`/proc/${postgres.pid}`)).toBe(false)
})

test.each(["SIGINT", "SIGTERM", "SIGKILL"] as const)(
  "ends with its parent on %s, and starts again at once",
  async (signal) => {
    usedData()
    const { child, answer } = await launch()
    child.kill(signal)
    await once(child, "exit")
    const next = await start()
    expect(alive(answer.pid)).toBe(false)
    expect(await query(next.url(), "SELECT 1 AS one")).toEqual([{ one: 1 }])
  },
)

test("ends a server whose supervisor was killed", async () => {
  usedData()
  const { child, answer } = await launch()
  for (const pid of await descendants(child.pid as number, answer.pid)) process.kill(pid, "SIGKILL")
  child.kill("SIGKILL")
  await once(child, "exit")
  await start()
  expect(alive(answer.pid)).toBe(false)
})

test("refuses data that another start is using", async () => {
  usedData()
  await start()
  const { answer } = await launch()
  expect(answer).toMatchObject({ code: "IN_USE", message: expect.stringContaining("Stop that one first") })
})

test("starts although postmaster.pid names a living process that is no server", async () => {
  usedData()
  const bystander = spawn("sleep", ["60"], { uid: (await stat(dataDir)).uid })
  children.add(bystander)
  await writeFile(
    join(dataDir, "postmaster.pid"),
    `${bystander.pid}\n${dataDir}\n1\n5432\n\n127.0.0.1\n\nready\n`,
  )
  const postgres = await start()
  expect(postgres.pid).not.toBe(bystander.pid)
})

test("says what to do about data of another version", async () => {
  usedData()
  await writeFile(join(dataDir, "PG_VERSION"), "15\n")
  await expect(start()).rejects.toMatchObject({
    code: "OTHER_VERSION",
    message: expect.stringMatching(/15.*Move or delete/s),
  })
})

test("does not touch a directory that is not its own", async () => {
  await mkdir(dataDir)
  await writeFile(join(dataDir, "letters.txt"), "dear")
  await expect(start()).rejects.toThrow("not made by this program")
})

test("makes the cluster again when an earlier start was killed while it was made", async () => {
  await mkdir(`${dataDir}.new`)
  await writeFile(join(`${dataDir}.new`, "PG_VERSION"), "18\n")
  expect((await start()).pid).toBeGreaterThan(0)
})

test.each([true, false])("names the port that is taken (persistent: %s)", async (persistent) => {
  usedData()
  const taken = createServer().listen(0, "127.0.0.1")
  await once(taken, "listening")
  const { port } = taken.address() as { port: number }
  await expect(start({ port, persistent })).rejects.toMatchObject({
    code: "PORT_IN_USE",
    message: expect.stringContaining(`${port}`),
  })
  expect(existsSync(dataDir)).toBe(persistent)
  taken.close()
})

test("says so when the directory may not be written", async () => {
  // Root may write everywhere except below a file.
  if (process.getuid?.() === 0) await writeFile(join(folder, "closed"), "")
  else await mkdir(join(folder, "closed"), 0o555)
  await expect(start({ dataDir: join(folder, "closed", "data") })).rejects.toMatchObject({
    code: "DATA_NOT_WRITABLE",
    message: expect.stringContaining("DATABASE_URL"),
  })
})

test.runIf(process.getuid?.() === 0)(
  "runs for root where data and programs are closed to others",
  async () => {
    const binaries = await findBinaries()
    const native = join(folder, "native")
    execFileSync("cp", ["-a", dirname(dirname(binaries.postgres)), native])
    const closed = { ...binaries, initdb: join(native, "bin", "initdb") }
    await chmod(folder, 0o700)
    await openCluster(dataDir, closed, false)
    const postgres = await start()
    expect((await stat(dataDir)).uid).not.toBe(0)
    expect(await query(postgres.url(), "SELECT 1 AS one")).toEqual([{ one: 1 }])
  },
)

/** Without the server and its own processes: PostgreSQL 18 may hang when it is shut down while it recovers from a killed one. */
async function descendants(pid: number, server: number): Promise<number[]> {
  const list = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8")
  const children = list
    .split(" ")
    .map(Number)
    .filter((child) => child && child !== server)
  const further = await Promise.all(children.map((child) => descendants(child, server)))
  return [...children, ...further.flat()]
}
