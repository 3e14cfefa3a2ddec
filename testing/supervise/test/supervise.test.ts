import { fork } from "node:child_process"
import { once } from "node:events"
import { closeSync, existsSync, openSync } from "node:fs"
import { mkdtemp, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { afterEach, beforeEach, expect, it } from "vitest"
import { type Supervised, type SuperviseOptions, supervise } from "../src/index.ts"

let folder: string
let log: number
const running: Supervised[] = []

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "supervise-"))
  log = openSync(join(folder, "log"), "a")
})
afterEach(async () => {
  for (const supervised of running.splice(0)) await supervised.end()
  closeSync(log)
  await rm(folder, { recursive: true, force: true })
})

async function start(command: string, options: Partial<SuperviseOptions> = {}): Promise<Supervised> {
  const shell = { name: "holdfast-test", program: "/bin/sh", args: ["-c", command] }
  const supervised = await supervise({ ...shell, signal: "KILL", log, remove: folder, ...options })
  running.push(supervised)
  return supervised
}

const written = () => readFile(join(folder, "log"), "utf8")

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

it("ends the server and removes its folder on demand", async () => {
  const { pid, end } = await start("exec sleep 60")
  expect(isAlive(pid)).toBe(true)
  await end()
  expect([isAlive(pid), existsSync(folder)]).toEqual([false, false])
})

it("gives a server the time to end by itself after SIGINT", async () => {
  const program = `process.on("SIGINT", () => { console.log("bye"); process.exit() })
    console.log("up")
    setInterval(() => {}, 60_000)`
  const node = { program: process.execPath, args: ["-e", program] }
  const { end } = await start("", { ...node, signal: "INT", remove: "" })
  await expect.poll(written).toBe("up\n")
  await end()
  expect(await written()).toBe("up\nbye\n")
})

it("tells when the server ended by itself, and keeps its folder until it is let go", async () => {
  const { ended, end } = await start("echo out; echo err >&2; exit 1")
  await ended
  // Time for a removal that must not happen: it takes a few milliseconds.
  await sleep(200)
  expect(await written()).toBe("out\nerr\n")
  await end()
  expect(existsSync(folder)).toBe(false)
})

it("tells when the supervisor was killed", async () => {
  const { pid, ended } = await start("exec sleep 60")
  const status = await readFile(`/proc/${pid}/status`, "utf8")
  process.kill(Number(/^PPid:\s*(\d+)$/m.exec(status)?.[1]), "SIGKILL")
  await ended
  process.kill(pid, "SIGKILL")
})

it.each(["running", "stopped by a signal"])("a server, %s, does not outlive its starter", async (state) => {
  const launcher = fork(fileURLToPath(new URL("launcher.ts", import.meta.url)), [folder], {
    execArgv: ["--import", "tsx"],
  })
  const [pid] = (await once(launcher, "message")) as [number]
  if (state !== "running") process.kill(pid, "SIGSTOP")
  launcher.kill("SIGKILL")
  await expect.poll(() => isAlive(pid)).toBe(false)
  await expect.poll(() => existsSync(folder)).toBe(false)
})

it("rejects where the supervisor cannot be started", async () => {
  await expect(start("x".repeat(200_000))).rejects.toThrow("E2BIG")
})
