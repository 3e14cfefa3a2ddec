import { type ChildProcess, spawn } from "node:child_process"
import { closeSync, openSync, readFileSync } from "node:fs"
import { setTimeout as sleep } from "node:timers/promises"
import type { Account } from "./account.ts"
import { PostgresError } from "./errors.ts"
import { readPidFile, SUPERVISOR } from "./postmaster.ts"

// Stands between us and the server, and reads from a pipe that nobody writes to. The pipe ends when we close
// it or when we die, `kill -9` included; then the server gets SIGINT, its fast shutdown. No signal handler of
// ours is needed, and a Ctrl-C in the terminal doesn't reach the server before the shop is down.
// $1 is a directory to remove at the end, or empty.
const script = `
remove=$1; shift
exec 3<&0
"$@" 3<&- </dev/null & postgres=$!
{ read -r _ <&3; kill -INT $postgres; } 2>/dev/null & pipe=$!
exec 3<&-
wait $postgres; status=$?
kill $pipe 2>/dev/null
[ -z "$remove" ] || rm -rf "$remove"
exit $status`

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
  const child = launch(options, log)
  closeSync(log)
  const ended = new Promise<Error | undefined>((resolve) => {
    child.once("error", resolve).once("exit", () => resolve(undefined))
  })
  const pid = await Promise.race([ready(child, options), ended])
  if (typeof pid !== "number")
    throw failure(options, readFileSync(options.logFile, "utf8").slice(logged), pid)
  const stop = async () => {
    child.stdin?.end()
    await ended
  }
  return { pid, stop }
}

function launch(options: ServerOptions, log: number): ChildProcess {
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
  const server = account.command(binary, ["-D", dataDir, ...flags])
  const remove = options.removeAtEnd ? dataDir : ""
  return spawn("/bin/sh", ["-c", script, SUPERVISOR, remove, server.program, ...server.args], {
    ...(server.uid === undefined ? {} : { uid: server.uid, gid: server.gid }),
    cwd: "/",
    detached: true,
    env: { ...process.env, LC_ALL: "C", TZ: "UTC" },
    stdio: ["pipe", log, log],
  })
}

async function ready(child: ChildProcess, { dataDir }: ServerOptions): Promise<number | undefined> {
  while (child.exitCode === null && child.signalCode === null) {
    const file = readPidFile(dataDir)
    if (file?.status === "ready") return file.pid
    await sleep(20)
  }
  return undefined
}

function failure({ port, dataDir }: ServerOptions, log: string, cause?: Error): PostgresError {
  if (/could not bind|could not create any TCP/.test(log))
    return new PostgresError(
      "PORT_IN_USE",
      `Port ${port} is in use by another program: choose another for PostgreSQL.`,
    )
  const said = cause ? cause.message : log.trim().split("\n").slice(-15).join("\n")
  return new PostgresError("FAILED", `PostgreSQL did not start on ${dataDir}. It said:\n${said}`, { cause })
}
