import { execFileSync } from "node:child_process"
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { describe, expect, it } from "vitest"

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

it("knows its errors in either form, and leaves their code as it is", async () => {
  const required = require("@holdfast/lock") as typeof import("@holdfast/lock")
  const imported = await import("@holdfast/lock")
  for (const [one, other] of [
    [required, imported],
    [imported, required],
  ] as const) {
    const error = new one.LockSetupError("run this")
    expect(error).toBeInstanceOf(other.LockError)
    expect(new Error("run this")).not.toBeInstanceOf(other.LockError)
    expect(error).not.toBeInstanceOf(one.LockTimeoutError)
    const locks = new other.Locks({ connect: () => Promise.reject(error) })
    await expect(locks.acquire("key")).rejects.toBe(error)
    await locks.close()
  }
})

const CLIENTS = [
  ["ioredis", `redis.redisStore({ url: "redis://127.0.0.1:1" })`],
  ["pg", `postgres.postgresStore({ connectionString: "postgres://127.0.0.1:1" })`],
] as const

/** Prints the code and the message of the error with which the store of an own copy of the package fails. */
function failureOf(store: string, head: string, packages: Record<string, string> = {}): string {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-"))
  try {
    const own = dirname(require.resolve("@holdfast/lock/package.json"))
    const modules = join(folder, "node_modules")
    for (const part of ["package.json", "dist"])
      cpSync(join(own, part), join(modules, "@holdfast", "lock", part), { recursive: true })
    for (const [name, source] of Object.entries(packages)) {
      mkdirSync(join(modules, name))
      writeFileSync(join(modules, name, "index.js"), source)
    }
    const script = `
      (async () => {
        ${head}
        const locks = new Locks(${store})
        await locks.acquire("key").catch(({ code, message }) => console.log(code, message))
        await locks.close()
      })()
    `
    return execFileSync(process.execPath, ["-e", script], { cwd: folder, encoding: "utf8" })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const FORMS = {
  "require()": `
    const { Locks } = require("@holdfast/lock")
    const [redis, postgres] = [require("@holdfast/lock/redis"), require("@holdfast/lock/postgres")]
  `,
  "import()": `
    const { Locks } = await import("@holdfast/lock")
    const [redis, postgres] = [await import("@holdfast/lock/redis"), await import("@holdfast/lock/postgres")]
  `,
}

describe.each(Object.entries(FORMS))("by %s", (_, head) => {
  it.each(CLIENTS)("says to install %s where it is missing, and doesn't need it before", (client, store) => {
    expect(failureOf(store, head)).toMatch(new RegExp(`^LOCK_NOT_SET_UP .*npm install ${client}`))
  })

  it.each(CLIENTS)("says why %s could not be loaded where it is there", (client, store) => {
    const broken = failureOf(store, head, { [client]: `throw new Error("built for another Node")` })
    expect(broken).toMatch(/^LOCK_NOT_SET_UP .*built for another Node/)
    const incomplete = failureOf(store, head, { [client]: `require("its-own-part")` })
    expect(incomplete).toMatch(/^LOCK_NOT_SET_UP .*its-own-part/)
    expect(broken + incomplete).not.toContain("npm install")
  })
})

it.each(CLIENTS)("loads %s where a script can't import(), as a test in jest can't", (_, store) => {
  const own = dirname(require.resolve("@holdfast/lock/package.json"))
  const script = `
    const { createRequire, wrap } = require("node:module")
    const { dirname, join } = require("node:path")
    const { readFileSync } = require("node:fs")
    const { runInThisContext } = require("node:vm")
    const own = ${JSON.stringify(join(own, "dist"))}
    const loaded = new Map()
    function load(path) {
      if (!path.startsWith(own)) return require(path)
      const known = loaded.get(path)
      if (known) return known.exports
      const module = { exports: {} }
      loaded.set(path, module)
      const from = createRequire(path)
      const run = runInThisContext(wrap(readFileSync(path, "utf8")), { filename: path })
      run(module.exports, (name) => load(from.resolve(name)), module, path, dirname(path))
      return module.exports
    }
    const [{ Locks }, redis, postgres] = ["index", "redis", "postgres"].map((name) => load(join(own, name + ".cjs")))
    const locks = new Locks(${store})
    locks.acquire("key").catch(({ code, message }) => console.log(code, message)).then(() => locks.close())
  `
  const output = execFileSync(process.execPath, ["-e", script], { encoding: "utf8" })
  expect(output).toMatch(/^LOCK_STORE_FAILED .*ECONNREFUSED/)
})
