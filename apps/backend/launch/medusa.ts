import type { ChildProcess } from "node:child_process"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { packageFolder } from "./fingerprint.ts"
import { backend } from "./paths.ts"
import { type ProcessOptions, runNode, startNode } from "./processes.ts"

const orphan = fileURLToPath(new URL("orphan.cjs", import.meta.url))

/** Starts Medusa's command line as a process that does not outlive this one. */
export function startMedusa(args: string[], options: ProcessOptions): ChildProcess {
  return startNode(commandLine(args, options.cwd), inProduction(options))
}

/** @throws LaunchError with the end of the log when the command fails; `task` names the task in the message. */
export function runMedusa(task: string, args: string[], options: ProcessOptions): Promise<void> {
  return runNode(task, commandLine(args, options.cwd), inProduction(options))
}

// Only the build reads TypeScript (medusa-config.ts), and ts-node, which Medusa would use, is not installed. In
// the built shop the loader would only slow the start.
function commandLine(args: string[], cwd: string): string[] {
  const typescript = cwd === backend ? ["--import", "tsx"] : []
  return ["--require", orphan, ...typescript, join(packageFolder("@medusajs/cli"), "cli.js"), ...args]
}

function inProduction(options: ProcessOptions): ProcessOptions {
  return { ...options, env: { NODE_ENV: "production", MEDUSA_DISABLE_TELEMETRY: "true", ...options.env } }
}
