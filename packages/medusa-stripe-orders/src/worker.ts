import { randomUUID } from "node:crypto"
import { hostname } from "node:os"
import type { Knex } from "@medusajs/framework/mikro-orm/knex"
import type { Logger, MedusaContainer } from "@medusajs/framework/types"
import { announce } from "./carry-out/announce"
import { carryOut } from "./carry-out/carry-out"
import { type CarryOut, carryOutIn } from "./carry-out/context"
import { Decider } from "./decider"
import type { NotificationListener } from "./listener"
import { fetchMissedEvents } from "./missed-events"
import { askAfterSettling } from "./outbox/after-settling"
import { sendEvents } from "./outbox/send-events"
import { messageOf } from "./payments/payments"
import {
  claimToCarryOut,
  countWorkers,
  type Due,
  forgetDeadWorkers,
  keepClaims,
  LEASE_SECONDS,
  notifyWorkers,
  releaseLeases,
  takeLease,
  WAKE_CHANNEL,
} from "./payments/queue"
import { prune } from "./payments/retention"
import type { Plugin } from "./plugin"
import { RegularTask } from "./regular-task"
import { timeout, Waker } from "./waker"

/** How long a loop that found nothing due waits for a notification before it looks by itself. */
const IDLE_MS = 500

/** How many orders are announced together. */
const ANNOUNCED_AT_ONCE = 50

/** How many payments wait for Stripe at once, in this process; its limits let fewer through. */
const STRIPE_AT_ONCE = 25

const PRUNE_EVERY_MS = 3_600_000

/** A request that needs the stock of an expired hold gives it back at once: this is for what a shop shows as available. */
const SWEEP_EVERY_MS = 2_000

const STOP_WITHIN_MS = 5_000
const SAY_AGAIN_AFTER_MS = 60_000

const BEAT_MS = (LEASE_SECONDS / 3) * 1000

/**
 * The worker of this process: one loop that decides, for the whole shop where it holds the lease, and two that carry out.
 * It starts with the application and depends on nothing of the store's: not its event bus, not its job schedule.
 */
export class StripeWorker {
  readonly id = `${hostname()}-${process.pid}-${randomUUID().slice(0, 8)}`
  readonly #db: Knex
  readonly #logger: Logger
  readonly #plugin: Plugin
  readonly #wakers = { decide: new Waker(), announce: new Waker(), stripe: new Waker() }
  readonly #listener: NotificationListener
  readonly #errors = new Map<string, number>()
  #decider: Decider | undefined
  #loops: Promise<void>[] = []
  #tasks: RegularTask[] = []
  #sender: RegularTask | undefined
  #heartbeat: NodeJS.Timeout | undefined
  #isRunning = false
  #notifying: Promise<void> | undefined
  readonly #toNotify = new Set<Due>()

  readonly #sweepHolds: () => Promise<unknown>

  constructor(
    db: Knex,
    logger: Logger,
    plugin: Plugin,
    { listener, sweep }: { listener: NotificationListener; sweep: () => Promise<unknown> },
  ) {
    this.#db = db
    this.#logger = logger
    this.#plugin = plugin
    this.#sweepHolds = sweep
    this.#listener = listener
    listener.on(WAKE_CHANNEL, (due) => this.#wakeOwn(due === "a decision" ? due : "anything"))
  }

  start(container: MedusaContainer): void {
    this.#isRunning = true
    const work = carryOutIn(container, this.id)
    const decider = new Decider(container, this.#db, this.id, {
      onDecided: () => this.wake("anything"),
      onError: (error) => this.#complain(error),
    })
    this.#decider = decider
    this.#sender = this.#senderOf(container, decider)
    this.#tasks = [this.#sender, ...this.#tasksOf(container, decider)]
    this.#loops = [
      ...this.#tasks.map((task) => task.start()),
      this.#loop(this.#wakers.decide, () => decider.next()),
      this.#loop(this.#wakers.announce, () => this.#announceNext(work)),
      this.#stripeLane(work),
    ]
    this.#heartbeat = setInterval(() => this.#beat(), BEAT_MS).unref()
    this.#beat()
    forgetDeadWorkers(this.#db).catch((error) => this.#complain(error))
    this.#listener.start()
  }

  /** Ends the loops after what they are at, or in five seconds. What is left is due, and other workers' at once. */
  async stop(): Promise<void> {
    if (!this.#isRunning) {
      return
    }
    this.#isRunning = false
    this.#wakeOwn("anything")
    for (const task of this.#tasks) {
      task.stop()
    }
    clearInterval(this.#heartbeat)
    await Promise.race([
      Promise.allSettled([...this.#loops, this.#decider?.settled()]),
      timeout(STOP_WITHIN_MS),
    ])
    await releaseLeases(this.#db, this.id).catch(() => {})
  }

  /**
   * Something is due: wakes the loops of this process that it concerns, and by a notification those of the others.
   * An event is first decided about; what was decided is carried out, or decided again.
   */
  wake(due: Due): void {
    this.#wakeOwn(due)
    this.#toNotify.add(due)
    this.#notifying ??= this.#notify().finally(() => {
      this.#notifying = undefined
    })
  }

  /** One notification at a time: Postgres commits them one after the other, and one says all. */
  async #notify(): Promise<void> {
    for (const due of this.#toNotify) {
      this.#toNotify.delete(due)
      await notifyWorkers(this.#db, due).catch(() => {})
    }
  }

  #wakeOwn(due: Due): void {
    this.#wakers.decide.wake()
    if (due === "anything") {
      this.#sender?.wake()
      this.#wakers.announce.wake()
      this.#wakers.stripe.wake()
    }
  }

  /** Runs `step` again and again; while it finds nothing to do, when it is woken or half a second later. */
  async #loop(waker: Waker, step: () => Promise<boolean>): Promise<void> {
    while (this.#isRunning) {
      const worked = await step().catch((error) => this.#complain(error))
      if (!worked && this.#isRunning) {
        await waker.sleep(IDLE_MS)
      }
    }
  }

  /** Orders that only lack their announcement, together; where that fails, each by itself. */
  async #announceNext(work: CarryOut): Promise<boolean> {
    const claimed = await claimToCarryOut(
      this.#db,
      this.id,
      "announce",
      this.#claimOptions(ANNOUNCED_AT_ONCE),
    )
    if (claimed.length > 0) {
      const letGo = keepClaims(this.#db, () => claimed.map(({ claim }) => claim))
      await announce(work, claimed)
        .catch(() => Promise.all(claimed.map((payment) => carryOut(work, payment))))
        .finally(letGo)
    }
    return claimed.length > 0
  }

  /** Payments that need Stripe, many at once: a slow call holds up no other. */
  async #stripeLane(work: CarryOut): Promise<void> {
    const atWork = new Map<Promise<void>, string>()
    const letGo = keepClaims(this.#db, () => [...atWork.values()])
    const step = async () => {
      const free = STRIPE_AT_ONCE - atWork.size
      const claimed =
        free > 0 ? await claimToCarryOut(this.#db, this.id, "stripe", this.#claimOptions(free)) : []
      for (const payment of claimed) {
        const done = carryOut(work, payment)
          .catch((error) => void this.#complain(error))
          .finally(() => {
            atWork.delete(done)
            // What follows may be this lane's again, the announcement, or a decision.
            this.#wakeOwn("anything")
          })
        atWork.set(done, payment.claim)
      }
      return claimed.length > 0
    }
    await this.#loop(this.#wakers.stripe, step)
    await Promise.all(atWork.keys())
    letGo()
  }

  /** What is done beside the lanes; most of it for the whole shop, by the worker that decides. */
  #tasksOf(container: MedusaContainer, decider: Decider): RegularTask[] {
    const isOurs = () => this.#isRunning && decider.isInCharge
    const [db, plugin, logger] = [this.#db, this.#plugin, this.#logger]
    return [
      new RegularTask({
        name: "Fetching events that Stripe did not deliver",
        everyMs: plugin.options.fetchEventsEvery * 1000,
        run: () => fetchMissedEvents({ db, plugin, logger, mayGoOn: isOurs }),
        isOurs,
        logger,
      }),
      new RegularTask({
        name: "Pruning what is older than the plugin's option retention says",
        everyMs: PRUNE_EVERY_MS,
        run: () => prune(db, plugin.options.retention, isOurs),
        isOurs,
        logger,
      }),
      new RegularTask({
        name: "Giving back stock that is held no more",
        everyMs: SWEEP_EVERY_MS,
        run: this.#sweepHolds,
        // In every process: each hold is given back once, by the first process that gets to it.
        isOurs: () => this.#isRunning,
        logger,
      }),
      new RegularTask({
        name: "Asking the store's afterSettling hook",
        everyMs: IDLE_MS,
        run: () => askAfterSettling(container, db, isOurs),
        isOurs,
        logger,
      }),
    ]
  }

  #senderOf(container: MedusaContainer, decider: Decider): RegularTask {
    const isOurs = () => this.#isRunning && decider.isInCharge
    return new RegularTask({
      name: "Sending events to the store's event bus",
      everyMs: IDLE_MS,
      run: () => sendEvents(container, this.#db, isOurs),
      isOurs,
      logger: this.#logger,
    })
  }

  #claimOptions(limit: number) {
    return { limit, capturesAfterStock: this.#plugin.options.capture === "after_stock" }
  }

  /** Says that this worker lives, and takes its share of Stripe's budget. */
  async #beat(): Promise<void> {
    try {
      await takeLease(this.#db, `worker:${this.id}`, this.id)
      await this.#decider?.keepLease()
      this.#plugin.budget.shareWith(await countWorkers(this.#db))
    } catch (error) {
      this.#complain(error as Error)
    }
  }

  /** An error of the database is said once, and again each minute that it lasts. */
  #complain(error: Error): false {
    const now = performance.now()
    const message = messageOf(error)
    const saidAt = this.#errors.get(message)
    if (this.#isRunning && (saidAt === undefined || now - saidAt > SAY_AGAIN_AFTER_MS)) {
      this.#errors.set(message, now)
      const what =
        (error as { code?: string }).code === UNDEFINED_TABLE
          ? "The plugin's tables are missing or old: run `npx medusa db:migrate`"
          : "Stripe payments are not worked on at the moment"
      this.#logger.error(`${what}: ${message}`)
    }
    return false
  }
}

/** https://www.postgresql.org/docs/current/errcodes-appendix.html */
const UNDEFINED_TABLE = "42P01"
