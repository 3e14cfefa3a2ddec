import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { findBinary } from "./binary.ts"
import { say } from "./say.ts"

// Stands between us and the server, and reads from a pipe that nobody writes to. The pipe ends when we die,
// `kill -9` included; then the server is killed, stopped by a signal or not. $1 is a directory to remove at the end.
const script = `
folder=$1; shift
exec 3<&0
"$@" 3<&- </dev/null >>"$folder/out" 2>&1 & server=$!
echo $server
exec >&- 2>&-
{ read -r _ <&3; kill -KILL $server; } & pipe=$!
exec 3<&-
wait $server; status=$?
kill $pipe
[ -e "$folder/keep" ] || rm -rf "$folder"
exit $status`

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
    await this.say("FLUSHALL")
  }

  /** Starts it again on the same port, with nothing of its data. Ends it first where it runs. */
  async restart(): Promise<void> {
    await this.kill()
    const folder = await mkdtemp(join(tmpdir(), "redis-local-"))
    const child = await this.#spawn(folder)
    this.#child = child
    const [line] = (await once(child.stdout ?? child, "data")) as [Buffer]
    this.#pid = Number(String(line))
    while (!(await this.#answers())) {
      if (child.exitCode !== null || child.signalCode !== null) throw await failure(folder)
      await sleep(10)
    }
    await rm(join(folder, "keep"), { force: true })
  }

  async #spawn(folder: string): Promise<ChildProcess> {
    const { path, env } = await findBinary()
    await writeFile(join(folder, "keep"), "")
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

  async #answers(): Promise<boolean> {
    return this.say("PING").then(
      (reply) => reply.startsWith("+PONG"),
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

async function failure(folder: string): Promise<Error> {
  const log = await readFile(join(folder, "out"), "utf8").catch(() => "")
  await rm(folder, { recursive: true, force: true })
  return new Error(`redis-server did not start. It said:\n${log}`)
}

/** Below the ports that outgoing connections use, and with room for the port of the cluster's bus, 10,000 above. */
async function freePort(): Promise<number> {
  for (;;) {
    const port = 12_000 + Math.floor(Math.random() * 10_000)
    if ((await isFree(port)) && (await isFree(port + 10_000))) return port
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once("error", () => resolve(false))
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)))
  })
}
