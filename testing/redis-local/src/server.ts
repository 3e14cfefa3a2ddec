import { closeSync, openSync } from "node:fs"
import { mkdtemp, readFile, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { type Supervised, supervise } from "@holdfast/supervise"
import getPort, { portNumbers } from "get-port"
import { findBinary } from "./binary.ts"
import { say } from "./say.ts"

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
  #server: Supervised | undefined

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
        // Another program may have taken the port after it was found free.
        if (attempt === 5 || !/Address already in use/.test(String(error))) throw error
      }
    }
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`
  }

  /** The server's process id, for signals such as SIGSTOP; 0 when it does not run. */
  get pid(): number {
    return this.#server?.pid ?? 0
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
    const server = await this.#spawn(folder)
    this.#server = server
    let ended = false
    server.ended.then(() => (ended = true))
    while (!(await this.#answers(server.pid))) {
      if (ended) {
        const log = await readFile(join(folder, "out"), "utf8")
        await this.kill()
        throw new Error(`redis-server did not start. It said:\n${log}`)
      }
      await sleep(10)
    }
  }

  async #spawn(folder: string): Promise<Supervised> {
    const { path: program, env } = await findBinary()
    const file = join(folder, "redis.conf")
    await writeFile(file, this.#configuration(folder))
    const args = [file, ...(this.#options.sentinel ? ["--sentinel"] : [])]
    const log = openSync(join(folder, "out"), "a")
    try {
      const locale = { ...env, LC_ALL: "C" }
      return await supervise({
        name: "holdfast-redis",
        program,
        args,
        signal: "KILL",
        log,
        remove: folder,
        env: locale,
      })
    } finally {
      closeSync(log)
    }
  }

  #configuration(folder: string): string {
    const settings = {
      ...{ bind: "127.0.0.1", port: String(this.port), dir: folder },
      ...(this.#options.sentinel ? {} : { save: "", appendonly: "no", "repl-diskless-sync-delay": "0" }),
      ...this.#options.settings,
    }
    const lines = Object.entries(settings).map(([name, value]) => `${name} ${value || '""'}`)
    return [...lines, this.#options.sentinel ?? ""].join("\n")
  }

  /** Whether the server on the port is this one, and not another program that took the port. */
  async #answers(pid: number): Promise<boolean> {
    return this.say("INFO", "server").then(
      (reply) => reply.includes(`process_id:${pid}\r\n`),
      () => false,
    )
  }

  /** Ends it as kill -9 does. */
  async kill(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    await server?.end()
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
