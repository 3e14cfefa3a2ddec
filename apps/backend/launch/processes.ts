import { type ChildProcess, spawn } from "node:child_process"
import { closeSync, mkdirSync, openSync, readFileSync } from "node:fs"
import { dirname } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { LaunchError } from "./errors.ts"

export type Env = Record<string, string | undefined>

export interface ProcessOptions {
  cwd: string
  env: Env
  /** The output is appended to it. */
  logFile: string
}

const running = new Set<ChildProcess>()
let closed = false

/** Starts a Node program whose output goes to a file. */
export function startNode(args: string[], { cwd, env, logFile }: ProcessOptions): ChildProcess {
  if (closed) throw new LaunchError("The launcher is shutting down and starts no more processes.")
  mkdirSync(dirname(logFile), { recursive: true })
  const log = openSync(logFile, "a")
  const child = spawn(process.execPath, args, {
    cwd,
    env: { ...process.env, ...env },
    // Ctrl-C in the terminal must reach only the launcher, which ends its children in the right order.
    detached: true,
    stdio: ["ignore", log, log, "ipc"],
  })
  closeSync(log)
  child.unref()
  child.channel?.unref()
  running.add(child)
  child.once("exit", () => running.delete(child))
  return child
}

/** @throws LaunchError with the end of the log when the program fails; `task` names the task in the message. */
export async function runNode(task: string, args: string[], options: ProcessOptions): Promise<void> {
  const child = startNode(args, options)
  child.ref()
  const code = await new Promise((resolve) => child.once("error", resolve).once("exit", resolve))
  // Some programs exit with status 0 after a signal.
  if (closed) throw new LaunchError(`${task} was interrupted.`)
  if (code !== 0) throw new LaunchError(`${task} failed.\n${tail(options.logFile)}`)
}

/** Ends all running children and their own children, waits for them, and refuses to start new ones. */
export async function endProcesses(): Promise<void> {
  closed = true
  const ended = [...running].map((child) => new Promise((resolve) => child.once("exit", resolve)))
  signalAll("SIGTERM")
  await Promise.race([Promise.all(ended), sleep(5_000, undefined, { ref: false })])
  signalAll("SIGKILL")
}

function signalAll(signal: NodeJS.Signals) {
  for (const { pid } of running) {
    try {
      if (pid) process.kill(-pid, signal)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error
    }
  }
}

/** The last lines of a log, with Medusa's JSON lines put in plain text and without its requests. */
export function tail(logFile: string, lines = 15): string {
  const said = readFileSync(logFile, "utf8").trimEnd().split("\n").map(plain)
  const last = said.filter((line) => line !== undefined).slice(-lines)
  return `${last.map((line) => `  ${line}`).join("\n")}\nThe whole log: ${logFile}`
}

function plain(line: string): string | undefined {
  if (!line.startsWith("{")) return line
  try {
    const { level, message } = JSON.parse(line) as { level?: string; message?: string }
    return message && `${level}: ${message}`
  } catch {
    return line
  }
}
