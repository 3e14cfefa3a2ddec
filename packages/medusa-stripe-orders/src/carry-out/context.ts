import type { Knex } from "@medusajs/framework/mikro-orm/knex"
import type { Logger, MedusaContainer } from "@medusajs/framework/types"
import { ContainerRegistrationKeys } from "@medusajs/framework/utils"
import { backOffMs, messageOf, type Outcome, outcomeOf } from "../payments/payments"
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

const BUSY_RETRY_MS = 10_000

/** What becomes of a payment whose step failed: it comes again after a back-off, or needs review. */
export function failure({ container, plugin }: CarryOut, payment: ClaimedPayment, error: Error): Outcome {
  const message = messageOf(error)
  if (error instanceof StripeBusyError) {
    // Stripe's limits are no fault of the payment.
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
  const attempt = payment.attempts + 1
  const gaveUp = attempt >= plugin.options.maxAttempts
  const due_in_ms = backOffMs(attempt)
  const next = gaveUp ? "it needs review" : `next in ${Math.round(due_in_ms / 1000)} s`
  logger.warn(`Stripe payment ${payment.id}: attempt ${attempt} failed, ${next}: ${message}`)
  return outcomeOf(
    payment,
    gaveUp ? "review" : payment.status,
    { kind: "attempt", text: `Attempt ${attempt} failed: ${message}`, data: stripeIds(error) },
    {
      attempts: "failed",
      error: message,
      due_in_ms,
      reason: gaveUp ? `gave up after ${attempt} attempts: ${message}` : payment.reason,
    },
  )
}

function stripeIds(error: Error): Record<string, unknown> | undefined {
  const { requestId, code } = error as { requestId?: string; code?: string }
  return requestId || code ? { request_id: requestId, code } : undefined
}
