import { type ChildProcess, spawn } from "node:child_process"
import { closeSync, mkdirSync, openSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { LaunchError } from "./errors.ts"
import { packageFolder } from "./fingerprint.ts"
import { backend } from "./places.ts"

export type Env = Record<string, string | undefined>

export interface MedusaOptions {
  cwd: string
  env: Env
  /** The output is appended to it. */
  logFile: string
}

const orphan = fileURLToPath(new URL("orphan.cjs", import.meta.url))

/** Runs Medusa's command line as a process that does not outlive this one. */
export function spawnMedusa(args: string[], { cwd, env, logFile }: MedusaOptions): ChildProcess {
  mkdirSync(dirname(logFile), { recursive: true })
  const log = openSync(logFile, "a")
  const child = spawn(
    process.execPath,
    ["--require", orphan, ...typescript(cwd), join(packageFolder("@medusajs/cli"), "cli.js"), ...args],
    {
      cwd,
      env: { ...process.env, NODE_ENV: "production", MEDUSA_DISABLE_TELEMETRY: "true", ...env },
      // A Ctrl-C in the terminal must reach the launcher alone: it ends its children in the right order.
      detached: true,
      stdio: ["ignore", log, log, "ipc"],
    },
  )
  closeSync(log)
  child.unref()
  child.channel?.unref()
  return child
}

// Only the build reads a TypeScript file (medusa-config.ts), and Medusa's own way to do so, ts-node, is not
// installed. In the built shop the loader would only slow the start.
const typescript = (cwd: string) => (cwd === backend ? ["--import", "tsx"] : [])

/** @throws LaunchError with the end of the log when the command fails; `task` is what it was to do. */
export async function runMedusa(task: string, args: string[], options: MedusaOptions): Promise<void> {
  const child = spawnMedusa(args, options)
  child.ref()
  const code = await new Promise((resolve) => child.once("error", resolve).once("exit", resolve))
  if (code !== 0) throw new LaunchError(`${task} failed.\n${tail(options.logFile)}`)
}

/** The last lines of a log, with Medusa's JSON lines put in plain text. */
export function tail(logFile: string, lines = 15): string {
  const last = readFileSync(logFile, "utf8").trimEnd().split("\n").slice(-lines)
  return `${last.map((line) => `  ${plain(line)}`).join("\n")}\nThe whole log: ${logFile}`
}

function plain(line: string): string {
  if (!line.startsWith("{")) return line
  try {
    const { level, message } = JSON.parse(line) as { level: string; message: string }
    return `${level}: ${message}`
  } catch {
    return line
  }
}
