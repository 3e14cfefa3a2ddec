import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { createInterface, type Interface } from "node:readline"
import { fileURLToPath } from "node:url"
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import { type Locking, type Medusa, type ProviderConfig, startMedusa } from "./medusa.js"
import { holdfast, SHARED } from "./stores.js"

const tsx = fileURLToPath(import.meta.resolve("tsx"))
const script = fileURLToPath(new URL("./other-process.ts", import.meta.url))

/** Another process of the shop, with the Locking Module alone. */
class Other {
  readonly #child: ChildProcess
  readonly #lines: AsyncIterator<string>
  readonly #reader: Interface

  static async start(config: ProviderConfig): Promise<Other> {
    const other = new Other(config)
    expect(await other.says()).toBe("ready")
    return other
  }

  private constructor(config: ProviderConfig) {
    this.#child = spawn(process.execPath, ["--import", tsx, script, JSON.stringify(config)], {
      stdio: ["pipe", "pipe", "inherit"],
    })
    this.#reader = createInterface({ input: this.#child.stdout as NodeJS.ReadableStream })
    this.#lines = this.#reader[Symbol.asyncIterator]()
  }

  /** The next line that it says. */
  async says(): Promise<string> {
    return (await this.#lines.next()).value
  }

  /** Tells it to do something, and returns what came of it, or the first that it says. */
  do(what: "acquire" | "release" | "execute" | "hold" | "job" | "stop"): Promise<string> {
    this.#child.stdin?.write(`${what}\n`)
    return this.says()
  }

  get ended(): Promise<unknown> {
    return this.#child.exitCode === null ? once(this.#child, "exit") : Promise.resolve()
  }

  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const ended = once(this.#child, "exit")
    this.#child.kill("SIGKILL")
    await ended
  }
}

describe.each(SHARED)("two processes on one %s", (store) => {
  let medusa: Medusa
  let locking: Locking
  let other: Other
  const anna = { ownerId: "anna" }
  const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

  let config: ProviderConfig

  beforeAll(async () => {
    config = holdfast(store, { keepAlive: 1 })
    medusa = await startMedusa(config)
    locking = medusa.locking
    other = await Other.start(config)
  })
  afterEach(() => locking.releaseAll())
  afterAll(async () => {
    await other.kill()
    await medusa.stop()
  })

  it("exclude each other, with and without an owner, and hand over", async () => {
    expect(await other.do("acquire")).toBe("acquired")
    await expect(locking.acquire("key")).rejects.toThrow('Failed to acquire lock for key "key"')
    await expect(locking.acquire("key", anna)).rejects.toThrow('Failed to acquire lock for key "key"')
    const waiting = locking.execute("key", async () => "mine", { timeout: 30 })
    expect(await other.do("release")).toBe("true")
    expect(await waiting).toBe("mine")
    await locking.acquire("key", anna)
    const executed = other.do("execute")
    await locking.release("key", anna)
    expect(await executed).toBe("executed")
  })

  it("don't free each other's lock by a release without an owner, be it after their own has lapsed", async () => {
    await locking.acquire("key", { expire: 0.1 })
    await pause(150)
    expect(await other.do("acquire")).toBe("acquired")
    expect(await locking.release("key")).toBe(false)
    expect(await locking.release("key")).toBe(false)
    await expect(locking.acquire("key", anna)).rejects.toThrow("Failed to acquire")
    expect(await other.do("release")).toBe("true")
  })

  it("keep no process alive that has shut down", async () => {
    expect(await other.do("execute")).toBe("executed")
    other.do("stop")
    await other.ended
  })

  it("free what a killed process held in a workflow and in a job, after keepAlive", async () => {
    other = await Other.start(config)
    expect(await other.do("hold")).toBe("held")
    expect(await other.do("job")).toBe("held")
    await expect(locking.acquire("of a workflow", anna)).rejects.toThrow("Failed to acquire")
    await other.kill()
    const killed = performance.now()
    await locking.acquire(["of a workflow", "of a job"], { ...anna, wait: 60 })
    // Not its ttl of 120 s: with wide room for a machine that is busy.
    expect(performance.now() - killed).toBeLessThan(20_000)
  })
})
