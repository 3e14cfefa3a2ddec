import { once } from "node:events"
import { chmodSync, mkdirSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { join } from "node:path"
import getPort from "get-port"
import { afterEach, beforeEach, expect, test } from "vitest"
import { endStarts, newDataDir, start } from "./start.ts"

let dataDir: string
let env: Record<string, string>

beforeEach(async () => {
  dataDir = newDataDir()
  env = { DATA_DIR: dataDir, PORT: String(await getPort()) }
})

afterEach(async () => {
  await endStarts()
  rmSync(dataDir, { recursive: true, force: true })
})

test("says what to do about a port that is in use", async () => {
  const taken = createServer().listen(0)
  await once(taken, "listening")
  const { port } = taken.address() as { port: number }
  const run = start({ args: ["--port", String(port)], env })
  expect(await run.ended).toBe(1)
  expect(run.stdout).toContain(
    `Port ${port} is in use. Stop the program that uses it, or choose another port`,
  )
  taken.close()
})

test("says what to do about data of another version of PostgreSQL", async () => {
  mkdirSync(join(dataDir, "postgres"))
  writeFileSync(join(dataDir, "postgres", "PG_VERSION"), "15\n")
  const run = start({ env })
  expect(await run.ended).toBe(1)
  expect(run.stdout).toMatch(/written by PostgreSQL 15.*Move or delete that directory/s)
})

test("says what to do when the data directory is not writable", async () => {
  const run = start({ env: { ...env, DATA_DIR: unwritable(dataDir) } })
  expect(await run.ended).toBe(1)
  expect(run.stdout).toMatch(/can't be written.*make it writable for this user/s)
})

// Root may write everywhere except below a file.
function unwritable(folder: string): string {
  if (process.getuid?.() === 0) writeFileSync(join(folder, "file"), "")
  else chmodSync(folder, 0o555)
  return join(folder, "file", "data")
}

test("says what to do about a database that can't be reached", async () => {
  const run = start({ env: { ...env, DATABASE_URL: "postgres://shop@127.0.0.1:1/shop" } })
  expect(await run.ended).toBe(1)
  expect(run.stdout).toMatch(/No connection to the database of DATABASE_URL: .*ECONNREFUSED/)
})

test("opens no sale with real keys, and says so before anything is started", async () => {
  const keys = { STRIPE_API_KEY: "sk_test_x", STRIPE_WEBHOOK_SECRET: "whsec_x" }
  const run = start({ args: ["--once"], env: { ...env, ...keys } })
  expect(await run.ended).toBe(1)
  expect(run.stdout).toContain("with real Stripe keys there is no sale")
})
