import type { ChildProcess } from "node:child_process"
import { readFileSync } from "node:fs"
import { setTimeout as sleep } from "node:timers/promises"
import { LaunchError } from "./errors.ts"
import { startMedusa } from "./medusa.ts"
import { server } from "./paths.ts"
import { type Env, tail } from "./processes.ts"

export interface ShopOptions {
  databaseUrl: string
  port: number
  logFile: string
  /** See .env.template for what the shop reads. */
  env: Env
  /** The folder of the built application; by default this repository's. */
  folder?: string
}

export interface Shop {
  url: string
  port: number
  pid: number
  /** Settles when the shop answers; rejects with a LaunchError when it ends before. */
  ready: Promise<void>
  /** Settles when the process has ended. */
  exited: Promise<void>
  logs(): string
  /** Sends the signal and waits until the process has ended. */
  kill(signal: NodeJS.Signals): Promise<void>
  /** Ends the shop after its open requests are answered; kills it after 15 s. */
  stop(): Promise<void>
}

/** Starts the built shop on a database that is migrated and seeded. */
export function startShop({ databaseUrl, port, logFile, env, folder = server }: ShopOptions): Shop {
  const url = `http://localhost:${port}`
  const { MEDUSA_BACKEND_URL = url } = process.env
  const child = startMedusa(["start", "--port", String(port)], {
    cwd: folder,
    logFile,
    env: { MEDUSA_BACKEND_URL, MEDUSA_WORKER_MODE: "shared", ...env, DATABASE_URL: databaseUrl },
  })
  const exited = new Promise<void>((resolve) => {
    child.once("error", () => resolve()).once("exit", () => resolve())
  })
  const kill = (signal: NodeJS.Signals) => {
    child.kill(signal)
    return exited
  }
  const ready = untilItAnswers(url, child, logFile)
  ready.catch(() => {})
  return {
    url,
    port,
    pid: child.pid ?? 0,
    ready,
    exited,
    kill,
    logs: () => readFileSync(logFile, "utf8"),
    async stop() {
      const late = setTimeout(() => child.kill("SIGKILL"), 15_000)
      await kill("SIGTERM")
      clearTimeout(late)
    },
  }
}

async function untilItAnswers(url: string, child: ChildProcess, logFile: string): Promise<void> {
  while (child.exitCode === null && child.signalCode === null && child.pid) {
    const answer = await fetch(`${url}/health`).catch(() => undefined)
    if (answer?.ok) return
    await sleep(50)
  }
  throw new LaunchError(`The shop did not start.\n${tail(logFile)}`)
}
