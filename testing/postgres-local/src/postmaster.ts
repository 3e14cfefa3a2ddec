import { execFileSync } from "node:child_process"
import { readFileSync, readlinkSync, realpathSync, rmSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { PostgresError } from "./errors.ts"

/** The name under which the supervisor shows in the process list. */
export const SUPERVISOR = "holdfast-postgres"

/** The content of postmaster.pid, or undefined where there is no such file. */
export function readPidFile(dataDir: string): { pid: number; status: string } | undefined {
  try {
    const lines = readFileSync(join(dataDir, "postmaster.pid"), "utf8").split("\n")
    return { pid: Number(lines[0]), status: lines[7]?.trim() ?? "" }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined
    throw error
  }
}

/**
 * Ends what an earlier start left: removes a pid file without a server, waits for a server that is shutting down,
 * and shuts down a server whose supervisor was killed.
 * @throws PostgresError IN_USE when another start is using the data.
 */
export async function endPreviousServer(dataDir: string): Promise<void> {
  const found = readPidFile(dataDir)
  if (!found) return
  if (!isServing(found.pid, dataDir)) return rmSync(join(dataDir, "postmaster.pid"), { force: true })
  const supervised = isSupervised(found.pid)
  if (!supervised) process.kill(found.pid, "SIGINT")
  if (!(await gone(found.pid, dataDir, supervised ? 2_000 : 30_000))) throw inUse(dataDir, found.pid)
}

const LONGEST_SHUTDOWN_MS = 60_000

// A server that is going down writes everything to the disk first, which has been seen to take 5 s.
async function gone(pid: number, dataDir: string, timeoutMs: number): Promise<boolean> {
  const started = performance.now()
  while (isServing(pid, dataDir)) {
    const stopping = readPidFile(dataDir)?.status === "stopping"
    if (performance.now() - started > (stopping ? LONGEST_SHUTDOWN_MS : timeoutMs)) return false
    await sleep(50)
  }
  return true
}

// After a restart of the machine or the container the old number may belong to anything, and PostgreSQL
// would then refuse to start. A postmaster's working directory is its data directory.
function isServing(pid: number, dataDir: string): boolean {
  if (!isAlive(pid)) return false
  if (process.platform !== "linux") return commandLine(pid).includes("postgres")
  try {
    return readlinkSync(`/proc/${pid}/cwd`) === realpathSync(dataDir)
  } catch {
    return false
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM"
  }
}

function isSupervised(pid: number): boolean {
  return commandLine(parent(pid)).includes(SUPERVISOR)
}

function parent(pid: number): number {
  if (process.platform !== "linux") return Number(processLine(pid, "ppid"))
  return Number(/^PPid:\s*(\d+)$/m.exec(readProc(pid, "status"))?.[1])
}

function commandLine(pid: number): string {
  return process.platform === "linux" ? readProc(pid, "cmdline") : processLine(pid, "args")
}

/** Empty where the process has ended meanwhile. */
function readProc(pid: number, file: "status" | "cmdline"): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8")
  } catch {
    return ""
  }
}

function processLine(pid: number, column: "args" | "ppid"): string {
  try {
    return execFileSync("ps", ["-o", `${column}=`, "-p", String(pid)], { encoding: "utf8" }).trim()
  } catch {
    return ""
  }
}

function inUse(dataDir: string, pid: number) {
  return new PostgresError(
    "IN_USE",
    `The database in ${dataDir} is in use by another start (PostgreSQL is process ${pid}). Stop that one first.`,
  )
}
