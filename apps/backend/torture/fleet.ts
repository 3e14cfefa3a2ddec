import { join } from "node:path"
import type { StripeLocal } from "@holdfast/stripe-local"
import getPort from "get-port"
import { type Shop, startShop } from "../launch/shop.ts"
import { HOOK } from "../launch/stripe.ts"
import { idleEnv } from "../launch/template.ts"

const SECRET = "whsec_torture"

export interface FleetOptions {
  databaseUrl: string
  stripe: StripeLocal
  folder: string
  /** How many are disturbed. */
  shops: number
  env: Record<string, string>
}

/** One place in the fleet: a process of the shop, and the next one when that has ended. */
export class Post {
  /** Whether it is being disturbed. */
  busy = false
  /** Whether its process does not answer yet. */
  starting = true
  /** How often its process ended by itself. */
  crashes = 0
  #shop: Shop
  /** The process that is to end. */
  #ending: Shop | undefined

  constructor(
    readonly name: string,
    private readonly start: () => Shop,
  ) {
    this.#shop = this.#started()
  }

  get url(): string {
    return this.#shop.url
  }

  get ready(): Promise<void> {
    return this.#shop.ready
  }

  get logs(): string {
    return this.#shop.logs()
  }

  /** kill -9, and another process takes its place. */
  async kill(): Promise<void> {
    this.#ending = this.#shop
    await this.#ending.kill("SIGKILL")
    this.#shop = this.#started()
    await this.#shop.ready
  }

  async pause(until: Promise<unknown>): Promise<void> {
    const { pid } = this.#shop
    process.kill(pid, "SIGSTOP")
    try {
      await until
    } finally {
      process.kill(pid, "SIGCONT")
    }
  }

  async close(): Promise<void> {
    this.#ending = this.#shop
    await this.#ending.stop()
  }

  #started(): Shop {
    const shop = this.start()
    this.starting = true
    shop.ready.then(
      () => {
        this.starting = false
      },
      () => {},
    )
    shop.exited.then(() => {
      if (this.#ending === shop) return
      this.crashes += 1
      this.#shop = this.#started()
    })
    return shop
  }
}

/**
 * The processes of one shop. The workers are disturbed, and Stripe delivers to each of them. The office is not: Medusa's
 * own flows run there, and one of them that is killed half-way leaves what it had done, in the cart's completion for
 * instance the reservation.
 */
export class Fleet {
  private constructor(
    readonly workers: readonly Post[],
    readonly office: Post,
  ) {}

  static async open({ databaseUrl, stripe, folder, shops, env }: FleetOptions): Promise<Fleet> {
    const own = {
      STRIPE_API_KEY: stripe.apiKey,
      STRIPE_HOST: stripe.host,
      STRIPE_PORT: String(stripe.port),
      STRIPE_WEBHOOK_SECRET: SECRET,
    }
    const post = async (name: string, more: Record<string, string> = {}) => {
      const port = await getPort()
      const logFile = join(folder, `${name}.log`)
      const all = { ...idleEnv, DISABLE_MEDUSA_ADMIN: "true", ...own, ...env, ...more }
      return new Post(name, () => startShop({ databaseUrl, port, logFile, env: all }))
    }
    const workers: Post[] = []
    for (let number = 1; number <= shops; number++) workers.push(await post(`shop-${number}`))
    const fleet = new Fleet(workers, await post("office", { MEDUSA_WORKER_MODE: "server" }))
    await Promise.all(fleet.all.map(({ ready }) => ready))
    for (const { url } of workers) stripe.addWebhookEndpoint({ url: `${url}${HOOK}`, secret: SECRET })
    return fleet
  }

  get all(): readonly Post[] {
    return [...this.workers, this.office]
  }

  get crashes(): number {
    return this.all.reduce((sum, { crashes }) => sum + crashes, 0)
  }

  async close(): Promise<void> {
    await Promise.all(this.all.map((post) => post.close()))
  }
}
