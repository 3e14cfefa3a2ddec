import { execFileSync } from "node:child_process"
import { cpSync, mkdtempSync, rmSync } from "node:fs"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { expect, it } from "vitest"

const require = createRequire(import.meta.url)
const EXPORTS = [
  "@holdfast/lock",
  "@holdfast/lock/fence",
  "@holdfast/lock/memory",
  "@holdfast/lock/opentelemetry",
  "@holdfast/lock/postgres",
  "@holdfast/lock/redis",
  "@holdfast/lock/testing",
]

it.each(EXPORTS)("%s is the same by require and by import", async (name) => {
  const required = Object.keys(require(name))
  expect(required.sort()).toEqual(Object.keys(await import(/* @vite-ignore */ name)).sort())
  expect(required.length).toBeGreaterThan(0)
})

it("excludes between users of either form who share a store", async () => {
  const { Locks } = require("@holdfast/lock") as typeof import("@holdfast/lock")
  const imported = await import("@holdfast/lock")
  const store = (require("@holdfast/lock/memory") as typeof import("@holdfast/lock/memory")).memoryStore()
  const lease = await new Locks(store).acquire("key")
  expect(await new imported.Locks(store).tryAcquire("key")).toBe(null)
  await lease.release()
})

it.each([
  ["ioredis", `require("@holdfast/lock/redis").redisStore({ url: "redis://localhost" })`],
  ["pg", `require("@holdfast/lock/postgres").postgresStore({ connectionString: "postgres://localhost" })`],
])("says to install %s where it is missing, and doesn't need it before", (client, store) => {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-"))
  try {
    const own = dirname(require.resolve("@holdfast/lock/package.json"))
    for (const part of ["package.json", "dist"])
      cpSync(join(own, part), join(folder, "node_modules", "@holdfast", "lock", part), { recursive: true })
    const script = `
      const { Locks } = require("@holdfast/lock")
      new Locks(${store}).acquire("key").catch(({ message }) => console.log(message))
    `
    const output = execFileSync(process.execPath, ["-e", script], { cwd: folder, encoding: "utf8" })
    expect(output).toContain(`npm install ${client}`)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
