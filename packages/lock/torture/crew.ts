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
    entry: { worker: join(here, "torture", "worker.ts") },
    cwd: here,
    outDir,
    config: false,
    format: "esm",
    platform: "node",
    target: "node20.19",
    dts: false,
    logLevel: "silent",
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
  /** Whether it is being disturbed. */
  busy = false
  grants = 0
  #name = ""
  #child: ChildProcess | undefined
  #incarnation = 0
  #before = 0
  #failure: string | undefined
  #url = ""

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
    running.add(child)
    child.on("exit", (code) => {
      running.delete(child)
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

  async disturb(how: "cut" | "hang" | "deafen", ms: Promise<unknown>): Promise<void> {
    const worker = this.#name
    const t = now()
    this.wire[how]()
    await ms
    this.wire.restore()
    this.recorder.write({ e: how, worker, until: now() }, t)
  }

  /** Lets the process finish what it is doing; one that does not end within `ms` has failed. */
  async finish(ms: number): Promise<void> {
    const child = this.#child as ChildProcess
    if (child.connected) child.send("stop")
    const timer = setTimeout(() => {
      this.#failure ??= `${this.#name} did not end within ${ms} ms`
      child.kill("SIGKILL")
    }, ms)
    await ended(child)
    clearTimeout(timer)
  }

  close(): void {
    this.#child?.kill("SIGKILL")
    this.wire.close()
  }
}

// Not one of them may be left, least of all one that is paused.
const running = new Set<ChildProcess>()
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL")
})

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit")
}
