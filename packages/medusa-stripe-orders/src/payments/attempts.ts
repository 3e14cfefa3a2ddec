import type { Logger } from "@medusajs/framework/types"
import { messageOf, type Outcome, outcomeOf } from "./payments"
import type { ClaimedPayment } from "./queue"

const LONGEST_BACK_OFF_MS = 3_600_000

/** 2 s, 4 s, 8 s … one hour, a fifth more or less so that payments that failed together do not return together. */
function backOffMs(attempt: number): number {
  return Math.min(1000 * 2 ** attempt, LONGEST_BACK_OFF_MS) * (0.8 + Math.random() * 0.4)
}

/** What becomes of a payment whose step failed: it comes again after a back-off, or needs review after `maxAttempts`. */
export function failedAttempt(
  payment: ClaimedPayment,
  error: Error,
  { maxAttempts, logger }: { maxAttempts: number; logger: Logger },
): Outcome {
  const message = messageOf(error)
  const attempt = payment.attempts + 1
  const gaveUp = attempt >= maxAttempts
  const due_in_ms = backOffMs(attempt)
  const next = gaveUp ? "it needs review" : `next in ${Math.round(due_in_ms / 1000)} s`
  logger.warn(`Stripe payment ${payment.id}: attempt ${attempt} failed, ${next}: ${message}`)
  return outcomeOf(
    payment,
    gaveUp ? "review" : payment.status,
    { kind: "attempt", text: `Attempt ${attempt} failed: ${message}`, data: idsOf(error) },
    {
      attempts: "failed",
      error: message,
      due_in_ms,
      reason: gaveUp ? `gave up after ${attempt} attempts: ${message}` : payment.reason,
    },
  )
}

/** By which Stripe's support finds a call, and what kind of failure it was. */
function idsOf(error: Error): Record<string, unknown> | undefined {
  const { requestId, code } = error as { requestId?: string; code?: string }
  return requestId || code ? { request_id: requestId, code } : undefined
}
