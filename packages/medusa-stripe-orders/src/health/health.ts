import type { ILockingModule, MedusaContainer } from "@medusajs/framework/types"
import { Modules } from "@medusajs/framework/utils"
import type { StripeBudget } from "../carry-out/stripe-budget"
import type { NotificationListener } from "../listener"
import type { Database } from "../payments/payments"
import { timeout, within } from "../waker"
import { readBacklog } from "./backlog"

/**
 * `ready`: all is well. `degraded`: webhooks are stored, and something delays orders, refunds or events. `unavailable`: not even
 * webhooks can be stored; Stripe delivers them again.
 */
export interface Health {
  status: "ready" | "degraded" | "unavailable"
  reasons: HealthReason[]
}

/** What is wrong, for an operator. It holds neither secrets nor personal data. */
export interface HealthReason {
  check:
    | "postgres"
    | "tables"
    | "set-up"
    | "worker"
    | "notifications"
    | "locks"
    | "stripe"
    | "backlog"
    | "bus"
  says: string
}

/** Probes within this time share one answer. */
const KEPT_MS = 1_000
const ANSWER_WITHIN_MS = 2_000

export interface Checked {
  container: () => MedusaContainer
  db: Database
  budget: StripeBudget
  listener: NotificationListener
  /** names the lock that is tried: no other process wants it */
  process: string
  /** why the plugin makes no orders, where its options are wrong */
  fault: () => string | null
}

/** Answers how this process and the shop's queue are. */
export class HealthCheck {
  readonly #checked: Checked
  #asking: Promise<Health> | undefined

  constructor(checked: Checked) {
    this.#checked = checked
  }

  async ask(): Promise<Health> {
    this.#asking ??= this.#look().finally(() => {
      timeout(KEPT_MS).then(() => {
        this.#asking = undefined
      })
    })
    return await this.#asking
  }

  async #look(): Promise<Health> {
    const { db, budget, listener, fault } = this.#checked
    const database = await within(ANSWER_WITHIN_MS, readBacklog(db)).catch(faultOfDatabase)
    if (!Array.isArray(database)) {
      return { status: "unavailable", reasons: [database] }
    }
    const setUp = fault()
    const reasons: HealthReason[] = [
      ...(setUp ? [{ check: "set-up" as const, says: `no orders are made: ${setUp}` }] : []),
      ...database,
      ...(listener.isDeaf
        ? [
            {
              check: "notifications" as const,
              says: "Postgres's notifications are not heard: payments are found by a look twice a second",
            },
          ]
        : []),
      ...(await this.#locks()),
      ...budget.complaints().map((says) => ({ check: "stripe" as const, says })),
    ]
    return { status: reasons.length > 0 ? "degraded" : "ready", reasons }
  }

  async #locks(): Promise<HealthReason[]> {
    const locking: ILockingModule = this.#checked.container().resolve(Modules.LOCKING)
    const key = `holdfast-health:${this.#checked.process}`
    const tried = locking.execute([key], async () => {}, { timeout: ANSWER_WITHIN_MS / 1000 })
    return await within(ANSWER_WITHIN_MS, tried).then(
      () => [],
      () => [{ check: "locks", says: "the Locking Module gives no lock: no orders are made" }],
    )
  }
}

/** https://www.postgresql.org/docs/current/errcodes-appendix.html */
const MISSING = ["42P01", "42703"]

function faultOfDatabase(error: Error): HealthReason {
  return MISSING.includes((error as { code?: string }).code ?? "")
    ? { check: "tables", says: "the plugin's tables are missing or old: run `npx medusa db:migrate`" }
    : {
        check: "postgres",
        says: "Postgres does not answer: webhooks are refused, and Stripe delivers them again",
      }
}
