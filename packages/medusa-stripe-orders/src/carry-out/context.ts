import type { Knex } from "@medusajs/framework/mikro-orm/knex"
import type { Logger, MedusaContainer } from "@medusajs/framework/types"
import { ContainerRegistrationKeys } from "@medusajs/framework/utils"
import { failedAttempt } from "../payments/attempts"
import { type Outcome, outcomeOf } from "../payments/payments"
import type { ClaimedPayment } from "../payments/queue"
import { databaseOf, type Plugin, pluginOf } from "../plugin"
import { StripeBusyError } from "./stripe-budget"

/** Where a payment is carried out. */
export interface CarryOut {
  container: MedusaContainer
  db: Knex
  plugin: Plugin
  /** for the timeline */
  actor: string
}

export function carryOutIn(container: MedusaContainer, actor: string): CarryOut {
  return { container, actor, db: databaseOf(container), plugin: pluginOf(container) }
}

const onAccounts = new WeakMap<CarryOut, Map<string, CarryOut>>()

/** The same work for payments of a connected account; one for each, since captures are gathered by it. */
export function onAccount(work: CarryOut, account: string | null): CarryOut {
  if (!account) {
    return work
  }
  const known = onAccounts.get(work) ?? new Map<string, CarryOut>()
  const own = known.get(account) ?? { ...work, plugin: work.plugin.onAccount(account) }
  known.set(account, own)
  onAccounts.set(work, known)
  return own
}

const BUSY_RETRY_MS = 10_000

/** What becomes of a payment whose step failed. */
export function failure({ container, plugin }: CarryOut, payment: ClaimedPayment, error: Error): Outcome {
  if (error instanceof StripeBusyError) {
    // Stripe's limits are no fault of the payment.
    const { message } = error
    const line = { kind: "attempt" as const, text: message }
    const more = {
      attempts: "kept" as const,
      error: message,
      due_in_ms: BUSY_RETRY_MS,
      reason: payment.reason,
    }
    return outcomeOf(payment, payment.status, line, more)
  }
  const logger: Logger = container.resolve(ContainerRegistrationKeys.LOGGER)
  return failedAttempt(payment, error, { maxAttempts: plugin.options.maxAttempts, logger })
}
