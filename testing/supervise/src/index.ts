import { type ChildProcessByStdio, spawn } from "node:child_process"
import { once } from "node:events"
import { createInterface } from "node:readline"
import type { Readable, Writable } from "node:stream"

// Stands between this process and the server, and reads from a pipe that is never written to. The pipe ends when
// this process closes it or dies, `kill -9` included; then the server gets the signal, whether it runs or is stopped.
// No signal handler is needed here, and a Ctrl-C in the terminal does not reach the server. The folder is removed
// after both have ended: a server's log can still be read once the server has failed.
// Without the trap, the echo would end the shell if this process died during the start, and the server would stay.
// $1: the signal; $2: the folder to remove, or empty; then the server's command line. Its output goes to 3.
const script = `
trap '' PIPE
signal=$1 remove=$2; shift 2
exec 4<&0
"$@" </dev/null >&3 2>&3 3>&- 4<&- & server=$!
exec 3>&-
{ read -r _ <&4; kill -s "$signal" $server; } >/dev/null 2>&1 & reader=$!
echo $server
wait $server
kill $reader 2>/dev/null
echo ended
read -r _ <&4
[ -z "$remove" ] || rm -rf "$remove"`

export interface SuperviseOptions {
  /** What the supervisor is called in the process list. */
  name: string
  program: string
  args: string[]
  /** What the server gets when this process ends or calls `end()`. */
  signal: "INT" | "KILL"
  /** File descriptor of the server's output. */
  log: number
  /** A folder that does not outlive this process either. */
  remove?: string
  uid?: number
  gid?: number
  env?: NodeJS.ProcessEnv
}

export interface Supervised {
  readonly pid: number
  /** Resolves when the server has ended, for whatever reason. */
  readonly ended: Promise<void>
  /** Sends the signal; resolves when the server has ended and the folder is removed. */
  end(): Promise<void>
}

/** Starts a server that does not outlive this process. Rejects where the supervisor itself cannot be started. */
export async function supervise(options: SuperviseOptions): Promise<Supervised> {
  const child = launch(options)
  const exited = once(child, "exit").then(() => {})
  // An iterator keeps the second line, which may come together with the first.
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const first = await Promise.race([lines.next(), exited])
  const ended = lines.next().then(() => {})
  const end = async () => {
    child.stdin.end()
    await exited
  }
  return { pid: Number(first?.value), ended, end }
}

function launch({ name, program, args, signal, log, remove = "", uid, gid, env }: SuperviseOptions) {
  return spawn("/bin/sh", ["-c", script, name, signal, remove, program, ...args], {
    ...(uid === undefined ? {} : { uid, gid }),
    cwd: "/",
    detached: true,
    env: { ...process.env, ...env },
    stdio: ["pipe", "pipe", "ignore", log],
  }) as ChildProcessByStdio<Writable, Readable, null>
}
