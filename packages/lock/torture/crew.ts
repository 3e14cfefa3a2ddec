import { type ChildProcess, fork } from "node:child_process"
import { once } from "node:events"
import { rm } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { build } from "tsdown"
import { now } from "./clock.ts"
import type { Recorder } from "./records.ts"
import { Wire } from "./wire.ts"
import type { WorkerOptions } from "./worker.ts"

const here = fileURLToPath(new URL("..", import.meta.url))
const wrongClock = new URL("wrong-clock.mjs", import.meta.url).href

/**
 * The worker as one file, since to compile it anew for each of a hundred processes would be most of what a run does.
 * It has to lie where its imports are found. Returns the file and its removal.
 */
export async function buildWorker(): Promise<{ program: string; remove(): Promise<void> }> {
  const outDir = join(here, "node_modules", ".cache", `torture-${process.pid}-${++builds}`)
  await build({
    ...{ entry: { worker: join(here, "torture", "worker.ts") }, cwd: here, outDir, config: false },
    ...{ format: "esm", platform: "node", target: "node20.19", dts: false, logLevel: "silent" },
  })
  const remove = () => rm(outDir, { recursive: true, force: true })
  return { program: join(outDir, "worker.mjs"), remove }
}

let builds = 0

export interface Job extends Omit<WorkerOptions, "name" | "url" | "seed"> {
  /** The worker's file. */
  readonly program: string
}

/** One place in the crew: a process, the next one when that was killed, and its way to the server. */
export class Post {
  readonly wire: Wire
  /** Whether something is being done to it. */
  busy = false
  grants = 0
  #name = ""
  #child: ChildProcess | undefined
  #incarnation = 0
  #before = 0
  #failure: string | undefined

  constructor(
    private readonly place: number,
    private readonly job: Job,
    private readonly seed: number,
    private readonly recorder: Recorder,
    serverPort: number,
    private readonly urlAt: (port: number) => string,
  ) {
    this.wire = new Wire(serverPort)
  }

  /** How its last process ended, if it ended by itself and badly. */
  get failure(): string | undefined {
    return this.#failure
  }

  async open(): Promise<void> {
    this.#url = this.urlAt(await this.wire.listen())
    this.start()
  }

  #url = ""

  start(): void {
    this.#name = `worker-${this.place}.${++this.#incarnation}`
    const seed = this.seed * 1_000 + this.#incarnation
    const { program, ...job } = this.job
    const options: WorkerOptions = { ...job, name: this.#name, url: this.#url, seed }
    // Every second one has a clock of its own, hours from the others'.
    const clock = this.place % 2 === 0 ? [] : ["--import", wrongClock]
    const child = fork(program, [JSON.stringify(options)], {
      execArgv: clock,
      env: { ...process.env, HOLDFAST_CLOCK_OFF_HOURS: String(this.place % 4 === 1 ? 5 : -7) },
      stdio: ["ignore", "ignore", "pipe", "ipc"],
    })
    let said = ""
    child.stderr?.on("data", (chunk) => (said += chunk))
    child.on("message", (grants: number) => (this.grants = this.#before + grants))
    child.on("exit", (code) => {
      if (code) this.#failure = `${options.name} ended with status ${code}: ${said.trim().slice(-2_000)}`
    })
    this.#child = child
  }

  /** kill -9, and another process takes its place. */
  async kill(): Promise<void> {
    const child = this.#child as ChildProcess
    this.recorder.write({ e: "kill", worker: this.#name })
    child.kill("SIGKILL")
    await ended(child)
    this.#before = this.grants
    this.start()
  }

  async pause(ms: Promise<unknown>): Promise<void> {
    const worker = this.#name
    const t = now()
    this.#child?.kill("SIGSTOP")
    await ms
    this.#child?.kill("SIGCONT")
    this.recorder.write({ e: "pause", worker, until: now() }, t)
  }

  async cut(how: "cut" | "hang", ms: Promise<unknown>): Promise<void> {
    const worker = this.#name
    const t = now()
    this.wire[how]()
    await ms
    this.wire.mend()
    this.recorder.write({ e: how, worker, until: now() }, t)
  }

  /** Lets the process finish what it is doing. False where it does not end within `ms`. */
  async finish(ms: number): Promise<boolean> {
    const child = this.#child as ChildProcess
    if (child.connected) child.send("stop")
    const timer = setTimeout(() => {
      this.#failure ??= `${this.#name} did not end within ${ms} ms`
      child.kill("SIGKILL")
    }, ms)
    await ended(child)
    clearTimeout(timer)
    this.wire.close()
    return this.#failure === undefined
  }
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit")
}
