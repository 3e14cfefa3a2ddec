import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtemp, readFile, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import getPort, { portNumbers } from "get-port"
import { findBinary } from "./binary.ts"
import { say } from "./say.ts"

// Stands between us and the server, and reads from a pipe that nobody writes to. The pipe ends when we close it or
// die, `kill -9` included; then the server is killed, stopped by a signal or not, and its folder ($1) removed.
// Without the trap the echo would end the shell, and nobody the server, where we die in the moment of the start.
const script = `
trap '' PIPE
folder=$1; shift
exec 3<&0
"$@" 3<&- </dev/null >>"$folder/out" 2>&1 & server=$!
{ read -r _ <&3; [ -e "$folder/ended" ] || kill -KILL $server; } >/dev/null 2>&1 & pipe=$!
exec 3<&-
echo $server
wait $server
: >"$folder/ended"
echo ended
wait $pipe
rm -rf "$folder"`

const BUS = 10_000

export type Settings = Readonly<Record<string, string>>

export interface StartOptions {
  /** As in redis.conf. */
  settings?: Settings
  /** Starts a Sentinel with this configuration file's text. */
  sentinel?: string
}

/** A redis-server on loopback. It doesn't outlive this process. */
export class LocalRedis {
  readonly port: number
  readonly #options: StartOptions
  #child: ChildProcess | undefined
  #pid = 0

  private constructor(port: number, options: StartOptions) {
    this.port = port
    this.#options = options
  }

  static async start(options: StartOptions = {}): Promise<LocalRedis> {
    for (let attempt = 1; ; attempt++) {
      const redis = new LocalRedis(await freePort(), options)
      try {
        await redis.restart()
        return redis
      } catch (error) {
        // Somebody else may have taken the port in the meantime.
        if (attempt === 5 || !/Address already in use/.test(String(error))) throw error
      }
    }
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`
  }

  /** Of the server itself, to stop it for a while (SIGSTOP) or to look at it. */
  get pid(): number {
    return this.#pid
  }

  /** Sends one command on a connection of its own. Returns the reply as it came over the wire. */
  say(...command: string[]): Promise<string> {
    return say(this.port, command)
  }

  /** Removes all data, as FLUSHALL does. */
  async wipe(): Promise<void> {
    // Redis 8 does it in the background where it may, and hangs up on us before it answers.
    await this.say("FLUSHALL", "ASYNC")
  }

  /** Starts it again on the same port, with nothing of its data. Ends it first where it runs. */
  async restart(): Promise<void> {
    await this.kill()
    const folder = await mkdtemp(join(tmpdir(), "redis-local-"))
    const child = await this.#spawn(folder)
    this.#child = child
    let said = ""
    child.stdout?.on("data", (chunk) => (said += chunk))
    while (!(await this.#answers(Number.parseInt(said, 10)))) {
      if (said.includes("ended")) {
        const log = await readFile(join(folder, "out"), "utf8")
        await this.kill()
        throw new Error(`redis-server did not start. It said:\n${log}`)
      }
      await sleep(10)
    }
    this.#pid = Number.parseInt(said, 10)
  }

  async #spawn(folder: string): Promise<ChildProcess> {
    const { path, env } = await findBinary()
    const settings = {
      ...{ bind: "127.0.0.1", port: String(this.port), dir: folder },
      ...(this.#options.sentinel ? {} : { save: "", appendonly: "no", "repl-diskless-sync-delay": "0" }),
      ...this.#options.settings,
    }
    const lines = Object.entries(settings).map(([name, value]) => `${name} ${value || '""'}`)
    const file = join(folder, "redis.conf")
    await writeFile(file, [...lines, this.#options.sentinel ?? ""].join("\n"))
    const mode = this.#options.sentinel ? ["--sentinel"] : []
    return spawn("/bin/sh", ["-c", script, "holdfast-redis", folder, path, file, ...mode], {
      env: { ...process.env, ...env, LC_ALL: "C" },
      detached: true,
      stdio: ["pipe", "pipe", "ignore"],
    })
  }

  /** Whether it is this process that has the port. */
  async #answers(pid: number): Promise<boolean> {
    return this.say("INFO", "server").then(
      (reply) => reply.includes(`process_id:${pid}\r\n`),
      () => false,
    )
  }

  /** Ends it as kill -9 does. */
  async kill(): Promise<void> {
    const child = this.#child
    if (!child) return
    this.#child = undefined
    const ended = child.exitCode === null && child.signalCode === null ? once(child, "exit") : undefined
    child.stdin?.end()
    await ended
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill()
  }
}

/**
 * Below the ports that outgoing connections use, so that none of them takes a killed server's port before its
 * restart, and with room for the cluster's bus, which is BUS above. The search begins anywhere: processes that start
 * servers at the same time seldom meet.
 */
async function freePort(): Promise<number> {
  const host = "127.0.0.1"
  for (;;) {
    const from = 12_000 + Math.floor(Math.random() * 9_000)
    const port = await getPort({ host, port: portNumbers(from, 21_999) })
    if ((await getPort({ host, port: port + BUS })) === port + BUS) return port
  }
}
