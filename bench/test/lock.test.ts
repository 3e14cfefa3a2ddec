import { execFile } from "node:child_process"
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { afterEach, beforeEach, expect, it } from "vitest"
import type { Result } from "../results.ts"

const run = fileURLToPath(new URL("../run.ts", import.meta.url))
const bench = (...args: string[]) => promisify(execFile)(process.execPath, ["--import", "tsx", run, ...args])

let folder = ""
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "holdfast-bench-"))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

it("measures the memory store beside async-mutex, and writes the results", async () => {
  await bench("lock", "--quick", "--store", "memory", "--rows", "uncontended", "--out", folder)

  const files = await readdir(folder)
  const [json = ""] = files.filter((name) => name.endsWith(".json"))
  expect(json).toMatch(/^\d{4}-\d\d-\d\d-lock-memory[a-z-]*\.json$/)
  expect(files).toContain(json.replace(".json", ".md"))
  const { tables, quick } = JSON.parse(await readFile(join(folder, json), "utf8")) as Result
  expect(quick).toBe(true)
  expect(tables[0]?.rows.map(([name]) => name)).toEqual([
    "async-mutex",
    "async-mutex, by require()",
    "Holdfast, memory",
  ])
  expect(tables[0]?.rows.flat()).not.toContain("–")
})

it("lists the known names when it is given an unknown one", async () => {
  await expect(bench("locks")).rejects.toMatchObject({ code: 2, stdout: expect.stringContaining("lock: ") })
  await expect(bench("lock", "--rows", "warm")).rejects.toThrow("there is no warm")
})
