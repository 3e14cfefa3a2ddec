import { setTimeout as sleep } from "node:timers/promises"
import { type Lease, LockError, Locks } from "../src/index.ts"
import { postgresStore } from "../src/postgres/index.ts"
import { redisStore } from "../src/redis/index.ts"
import { now } from "./clock.ts"
import { Guard } from "./guard.ts"
import { probed } from "./probe.ts"
import { Random } from "./random.ts"
import { fileOf, Recorder } from "./records.ts"

/** One process of many that want the same few keys; what it does next is drawn by lot. */
export interface WorkerOptions {
  readonly name: string
  readonly folder: string
  readonly store: "redis" | "postgres"
  readonly url: string
  readonly space: string
  readonly guardUrl: string
  readonly seed: number
  /** How many requests it has in flight for a short while, and how many for long enough to be renewed. */
  readonly inFlight: readonly [short: number, long: number]
  readonly keys: readonly string[]
  /** Those that are held for long. */
  readonly slowKeys: readonly string[]
  /** Of every lease, in ms. */
  readonly ttl: number
  /** How long to wait for an answer of the store, in ms. */
  readonly timeoutMs: number
}

/** How often a worker looks whether its event loop stood still, in ms. */
const HEARTBEAT = 50

class Worker {
  readonly #options: WorkerOptions
  readonly #random: Random
  readonly #recorder: Recorder
  readonly #guard: Guard
  readonly locks: Locks
  #requests = 0
  #grants = 0
  #stopping = false

  constructor(options: WorkerOptions) {
    this.#options = options
    this.#random = new Random(options.seed)
    this.#recorder = new Recorder(fileOf(options.folder, options.name))
    this.#guard = new Guard(options.guardUrl)
    const { ttl } = options
    this.locks = new Locks(probed(storeOf(options), this.#recorder), { ttl })
  }

  async work(): Promise<void> {
    const heart = setInterval(this.#watch(), HEARTBEAT)
    const report = setInterval(() => process.send?.(this.#grants), 100)
    const [short, long] = this.#options.inFlight
    await Promise.all([
      ...Array.from({ length: short }, () => this.#loop((n) => this.#draw(n))),
      ...Array.from({ length: long }, () => this.#loop((n) => this.#linger(n))),
    ])
    clearInterval(heart)
    clearInterval(report)
    process.send?.(this.#grants)
    // One in two ends without close(): a process that is done has to be able to.
    if (this.#random.chance(0.5)) await this.locks.close()
    await this.#guard.close()
    process.disconnect()
  }

  stop(): void {
    this.#stopping = true
  }

  #watch(): () => void {
    let last = now()
    return () => {
      const ms = now() - last - HEARTBEAT
      if (ms > HEARTBEAT) this.#recorder.write({ e: "stalled", ms })
      last = now()
    }
  }

  async #loop(job: (n: number) => Promise<void>): Promise<void> {
    while (!this.#stopping) {
      const n = ++this.#requests
      try {
        await job(n)
      } catch (error) {
        if (!(error instanceof LockError)) throw error
        this.#recorder.write({ e: "refused", n, why: error.code })
        if (error.code === "LOCK_STORE_FAILED") await sleep(this.#random.between(50, 250))
      }
    }
  }

  #draw(n: number): Promise<void> {
    const draw = this.#random.next()
    if (draw < 0.5) return this.#run(n)
    if (draw < 0.7) return this.#acquire(n)
    if (draw < 0.8) return this.#try(n)
    if (draw < 0.85) return this.#reenter(n)
    if (draw < 0.88) return this.#forget(n)
    if (draw < 0.95) return this.#stopWaiting(n)
    return this.#acquire(n, this.#random.between(1, 100))
  }

  async #run(n: number): Promise<void> {
    const keys = this.#keys()
    const ask = this.#request(n, keys, this.#timeout())
    let ended = false
    try {
      await this.locks.run(keys, (lease) => this.#hold(n, lease), ask)
      ended = true
    } catch (error) {
      // Lost while it was held: the end of a lease, not a refusal.
      if (!(error instanceof LockError) || error.code !== "LOCK_LOST") throw error
    }
    this.#recorder.write({ e: "ended", n, how: ended ? "released" : "lost" })
  }

  async #acquire(n: number, timeout = this.#timeout()): Promise<void> {
    const keys = this.#keys()
    const lease = await this.locks.acquire(keys, this.#request(n, keys, timeout))
    await this.#hold(n, lease)
    if (this.#random.chance(0.3)) await lease.extend(this.#options.ttl).catch(expected)
    this.#look(n, lease)
    await this.#release(n, lease)
  }

  async #try(n: number): Promise<void> {
    const keys = this.#keys()
    this.#request(n, keys, 0)
    const lease = await this.locks.tryAcquire(keys)
    if (!lease) return this.#recorder.write({ e: "refused", n, why: "LOCK_TIMEOUT" })
    await this.#hold(n, lease)
    await this.#release(n, lease)
  }

  /** Again by the same owner: at once, and free when both are released. */
  async #reenter(n: number): Promise<void> {
    const keys = this.#keys()
    const owner = `${this.#options.name}:${n}`
    const outer = await this.locks.acquire(keys, { ...this.#request(n, keys, this.#timeout(), owner), owner })
    await this.#hold(n, outer)
    const again = ++this.#requests
    try {
      const inner = await this.locks.acquire(keys, { ...this.#request(again, keys, 500, owner), owner })
      await this.#hold(again, inner)
      await this.#release(again, inner)
    } catch (error) {
      expected(error)
      this.#recorder.write({ e: "refused", n: again, why: (error as LockError).code })
    }
    this.#look(n, outer)
    await this.#release(n, outer)
  }

  /** Never released: others get the keys when its short ttl has passed. */
  async #forget(n: number): Promise<void> {
    const keys = this.#keys()
    const ask = { ...this.#request(n, keys, this.#timeout()), ttl: 60, renew: false }
    const lease = await this.locks.acquire(keys, ask)
    await this.#hold(n, lease)
    while (this.#look(n, lease)) await sleep(this.#random.between(1, 20))
    this.#recorder.write({ e: "ended", n, how: "lost" })
  }

  /** Holds for about as long as its ttl, renewed or not. */
  async #linger(n: number): Promise<void> {
    const keys = [this.#random.pick(this.#options.slowKeys)]
    const ttl = 2 * this.#options.ttl
    const ask = { ...this.#request(n, keys, 30_000), ttl, renew: this.#random.chance(0.5) }
    const lease = await this.locks.acquire(keys, ask)
    const until = now() + this.#random.between(0.2, 1.5) * ttl
    await this.#hold(n, lease)
    if (this.#random.chance(0.3)) await lease.extend(this.#random.between(0.1, 1) * ttl).catch(expected)
    while (this.#look(n, lease) && now() < until) await sleep(this.#random.between(10, 50))
    await this.#write(n, lease)
    await this.#release(n, lease)
  }

  async #stopWaiting(n: number): Promise<void> {
    const keys = this.#keys()
    const signal = AbortSignal.timeout(Math.ceil(this.#random.between(0, 300)))
    const lease = await this.locks.acquire(keys, { ...this.#request(n, keys, this.#timeout()), signal })
    await this.#hold(n, lease)
    await this.#release(n, lease)
  }

  #request(n: number, keys: readonly string[], timeout: number, owner?: string) {
    this.#recorder.write({ e: "request", n, keys, owner: owner ?? `${this.#options.name}:${n}`, timeout })
    return { timeout }
  }

  async #hold(n: number, lease: Lease): Promise<void> {
    const tokens = lease.keys.map((key) => Number(lease.tokenOf(key)))
    this.#grants++
    this.#recorder.write({ e: "granted", n, id: lease.id, tokens })
    await this.#write(n, lease)
    if (this.#random.chance(0.05)) await sleep(this.#random.between(1, 40))
    this.#look(n, lease)
  }

  /** Writes to what the keys guard, unless it knows by then that it has lost them. */
  async #write(n: number, lease: Lease): Promise<void> {
    if (this.#look(n, lease))
      this.#recorder.write({ e: "wrote", n, accepted: await this.#guard.write(lease) })
  }

  #look(n: number, lease: Lease): boolean {
    const t = now()
    const trusted = lease.loss === undefined
    if (trusted) this.#recorder.write({ e: "trusted", n }, t)
    return trusted
  }

  async #release(n: number, lease: Lease): Promise<void> {
    try {
      this.#recorder.write({ e: "ended", n, how: (await lease.release()) ? "released" : "lost" })
    } catch (error) {
      expected(error)
      this.#recorder.write({ e: "ended", n, how: "unknown" })
    }
  }

  #keys(): string[] {
    const { keys } = this.#options
    if (this.#random.chance(0.88)) return [this.#random.pick(keys)]
    return this.#random.shuffle(keys).slice(0, this.#random.chance(0.5) ? 2 : 3)
  }

  #timeout(): number {
    if (this.#random.chance(0.1)) return this.#random.between(50, 1_000)
    return this.#random.chance(0.5) ? 5_000 : 30_000
  }
}

function storeOf({ store, url, space, timeoutMs }: WorkerOptions) {
  return store === "redis"
    ? redisStore({ url, prefix: space, commandTimeout: timeoutMs })
    : postgresStore({ connectionString: url, schema: space, responseTimeout: timeoutMs })
}

function expected(error: unknown): void {
  if (!(error instanceof LockError)) throw error
}

const worker = new Worker(JSON.parse(process.argv[2] ?? "") as WorkerOptions)
process.once("message", () => worker.stop())
// The harness has died: no other process would end this one.
process.once("disconnect", () => process.exit())
await worker.work()
