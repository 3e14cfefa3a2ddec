import { closeSync, openSync, readFileSync } from "node:fs"
import { setTimeout as sleep } from "node:timers/promises"
import { type Supervised, supervise } from "@holdfast/supervise"
import type { Account } from "./account.ts"
import { PostgresError } from "./errors.ts"
import { readPidFile, SUPERVISOR } from "./postmaster.ts"

export interface ServerOptions {
  binary: string
  account: Account
  dataDir: string
  port: number
  logFile: string
  settings: Record<string, string>
  removeAtEnd: boolean
}

export interface Server {
  pid: number
  stop(): Promise<void>
}

/** Starts PostgreSQL and waits until it accepts connections. */
export async function startServer(options: ServerOptions): Promise<Server> {
  const log = openSync(options.logFile, "a", 0o600)
  const logged = readFileSync(options.logFile).length
  try {
    const server = await launch(options, log)
    if (await ready(server, options)) return { pid: server.pid, stop: server.end }
    const said = readFileSync(options.logFile, "utf8").slice(logged)
    await server.end()
    throw failure(options, said)
  } finally {
    closeSync(log)
  }
}

function launch(options: ServerOptions, log: number): Promise<Supervised> {
  const { account, binary, dataDir, port } = options
  const settings = {
    port: String(port),
    listen_addresses: "127.0.0.1",
    unix_socket_directories: "",
    // Medusa's migrations give a warning for each of a thousand statements.
    log_min_messages: "error",
    ...options.settings,
  }
  const flags = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`])
  return supervise({
    ...account.command(binary, ["-D", dataDir, ...flags]),
    name: SUPERVISOR,
    // PostgreSQL's fast shutdown.
    signal: "INT",
    log,
    remove: options.removeAtEnd ? dataDir : "",
    env: { LC_ALL: "C", TZ: "UTC" },
  })
}

/** false where it ended before it was ready. */
async function ready({ ended }: Supervised, { dataDir }: ServerOptions): Promise<boolean> {
  let running = true
  ended.then(() => (running = false))
  while (running) {
    if (readPidFile(dataDir)?.status === "ready") return true
    await sleep(20)
  }
  return false
}

function failure({ port, dataDir }: ServerOptions, log: string): PostgresError {
  if (/could not bind|could not create any TCP/.test(log))
    return new PostgresError(
      "PORT_IN_USE",
      `Port ${port} is in use by another program: choose another for PostgreSQL.`,
    )
  const said = log.trim().split("\n").slice(-15).join("\n")
  return new PostgresError("FAILED", `PostgreSQL did not start on ${dataDir}. It said:\n${said}`)
}
