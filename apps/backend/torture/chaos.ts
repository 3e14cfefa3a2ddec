import { setTimeout as sleep } from "node:timers/promises"
import type { StripeLocal } from "@holdfast/stripe-local"
import { Random } from "../../../packages/lock/torture/random.ts"
import type { Fleet, Post } from "./fleet.ts"
import type { Office } from "./office.ts"
import { TROUBLES, type Trouble, type TroubleKind } from "./plan.ts"
import type { Servers } from "./servers.ts"
import { failAtTimes, limitForAWhile } from "./weather.ts"

export interface Stage {
  fleet: Fleet
  office: Office
  servers: Servers
  stripe: StripeLocal
}

/** A worker's locks, claims and lease end after 10 s without it. */
const PAST_THE_TTL_MS = [11_000, 14_000] as const
/** Buyers go slowly while more troubles than this are late: a slow machine would see them all at once, and after the rush. */
const MAY_BE_LATE = 1
const POLL_MS = 100

/** What goes wrong, as planned: several things at once, but nothing twice to the same process. */
export class Chaos {
  readonly counts = Object.fromEntries(TROUBLES.map((kind) => [kind, 0])) as Record<TroubleKind, number>
  readonly failures: string[] = []
  readonly #left: Trouble[]
  readonly #running = new Set<Promise<void>>()
  #late = 0
  #ended = false
  #restarting = false

  constructor(
    private readonly stage: Stage,
    troubles: readonly Trouble[],
  ) {
    this.#left = [...troubles].sort((a, b) => a.after - b.after)
  }

  get isLate(): boolean {
    return this.#late > MAY_BE_LATE
  }

  /** Starts what is due, until `end`. */
  async run(begun: () => number): Promise<void> {
    while (!this.#ended) {
      const due = this.#left.filter(({ after }) => after <= begun())
      for (const trouble of due) this.#start(trouble)
      this.#late = this.#left.filter(({ after }) => after <= begun()).length
      await sleep(POLL_MS)
    }
  }

  /** Starts nothing more, and resolves when nothing is wrong any more. */
  async end(): Promise<void> {
    this.#ended = true
    await Promise.all(this.#running)
    this.stage.stripe.limits = undefined
    this.stage.stripe.faults.clear()
  }

  #start(trouble: Trouble): void {
    const action = this.#actionOf(trouble)
    if (!action) return
    this.#left.splice(this.#left.indexOf(trouble), 1)
    this.counts[trouble.kind] += 1
    const running = action
      .catch((error) => void this.failures.push(`${trouble.kind}: ${error}`))
      .finally(() => this.#running.delete(running))
    this.#running.add(running)
  }

  /** Undefined where it has to wait. */
  #actionOf({ kind, seed }: Trouble): Promise<void> | undefined {
    const random = new Random(seed)
    const { servers, office, stripe } = this.stage
    switch (kind) {
      case "kill":
        return this.#restarting ? undefined : this.#harm(random, (post) => post.kill())
      case "pause":
        return this.#harm(random, (post) => post.pause(sleep(random.between(...PAST_THE_TTL_MS))))
      case "postgres":
        return this.#restart(() =>
          servers.restartPostgres(random.chance(0.7), () => sleep(random.between(0, 2_000))),
        )
      case "redis":
        return this.#restart(() => servers.restartRedis(() => sleep(random.between(0, 2_000))))
      case "stripe":
        return failAtTimes(stripe, random)
      case "limits":
        return limitForAWhile(stripe, random)
      case "stock":
        return office.changeStock(random)
    }
  }

  /** One process has to be left to go on. */
  #harm(random: Random, harm: (post: Post) => Promise<void>): Promise<void> | undefined {
    const free = this.stage.fleet.workers.filter(({ busy }) => !busy)
    if (free.length < 2) return undefined
    const post = random.pick(free)
    post.busy = true
    return harm(post).finally(() => {
      post.busy = false
    })
  }

  /** A server that goes down. A shop can't start without it: none is killed meanwhile. */
  #restart(restart: () => Promise<void>): Promise<void> | undefined {
    const { workers } = this.stage.fleet
    if (this.#restarting || workers.some(({ starting }) => starting)) return undefined
    this.#restarting = true
    return this.stage.office.calm.alone(restart).finally(() => {
      this.#restarting = false
    })
  }
}
