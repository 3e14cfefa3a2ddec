import { setTimeout as sleep } from "node:timers/promises"
import { now } from "./clock.ts"
import type { Post } from "./crew.ts"
import type { Random } from "./random.ts"
import type { Recorder } from "./records.ts"
import type { Server } from "./servers.ts"

export const KINDS = ["kill", "pause", "cut", "hang", "deafen", "restart"] as const
export type Kind = (typeof KINDS)[number]

/** How often each is drawn, the first round apart, in which each comes once. */
const LOTS: readonly Kind[] = [
  "kill",
  "kill",
  "kill",
  "pause",
  "pause",
  "cut",
  "hang",
  "deafen",
  "deafen",
  "restart",
]

/** What goes wrong, drawn by lot: several things at once, but nothing twice to the same process. */
export class Chaos {
  readonly counts: Record<Kind | "wipe", number> = {
    kill: 0,
    pause: 0,
    cut: 0,
    hang: 0,
    deafen: 0,
    restart: 0,
    wipe: 0,
  }
  readonly #running = new Set<Promise<void>>()
  readonly #queue: Kind[]
  #restarting = false

  constructor(
    private readonly random: Random,
    private readonly posts: readonly Post[],
    private readonly server: Server,
    private readonly recorder: Recorder,
    private readonly ttl: number,
  ) {
    this.#queue = random.shuffle(KINDS)
  }

  /** Whether every kind has been drawn at least once. */
  get isComplete(): boolean {
    return this.#queue.length === 0
  }

  /** Starts the next thing, and doesn't wait for its end. */
  next(): void {
    const kind = this.#queue[0] ?? this.random.pick(LOTS)
    const action = this.#start(kind)
    if (!action) return
    if (this.#queue[0] === kind) this.#queue.shift()
    this.counts[kind]++
    const running = action.finally(() => this.#running.delete(running))
    this.#running.add(running)
  }

  /** Resolves when nothing is wrong any more. */
  async end(): Promise<void> {
    await Promise.all(this.#running)
  }

  #start(kind: Kind): Promise<void> | undefined {
    if (kind === "restart") return this.#restarting ? undefined : this.#restart()
    const free = this.posts.filter((post) => !post.busy)
    // One process has to be left to wait for what the others don't release.
    if (free.length < 2) return undefined
    const post = this.random.pick(free)
    post.busy = true
    return this.#harm(kind, post).finally(() => {
      post.busy = false
    })
  }

  #harm(kind: Exclude<Kind, "restart">, post: Post): Promise<void> {
    if (kind === "kill") return post.kill()
    // Past the ttl mostly, and past the claim window; at times for less than either.
    if (kind === "pause") return post.pause(sleep(this.ttl * this.random.between(0.3, 2.5)))
    // Shorter than a lease, so that a lease whose grant was not heard of is still held when it is requested again.
    if (kind === "deafen") return post.disturb(kind, sleep(this.random.between(50, 800)))
    return post.disturb(kind, sleep(this.random.between(300, 3_000)))
  }

  async #restart(): Promise<void> {
    this.#restarting = true
    const t = now()
    const forgets = await this.server.restart(this.random, () => sleep(this.random.between(0, 1_500)))
    this.recorder.write({ e: "restart", forgets, until: now() }, t)
    if (forgets) this.counts.wipe++
    this.#restarting = false
  }
}
