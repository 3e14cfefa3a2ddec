import type { Database, PaymentRow } from "./payments"
import { isSoldOut, OUT_OF_STOCK } from "./reasons"
import {
  AFTER_DISMISSAL,
  AFTER_REFUND,
  AFTER_RETRY,
  type PaymentState,
  REFUNDED,
  RETRIED,
  statesOf,
} from "./states"
import { storableText } from "./storable"

/** What a person may do about a payment; each is a line of its timeline. */
export type PaymentAction = "retry" | "backorder" | "refund" | "dismiss"

export function actionsOf({
  status,
  reason,
  order_id,
}: Pick<PaymentRow, "status" | "reason" | "order_id">): PaymentAction[] {
  const isBackorderable = status === "review" && !order_id && isSoldOut(reason)
  return [
    ...(RETRIED.includes(status) ? ["retry" as const] : []),
    ...(isBackorderable ? ["backorder" as const] : []),
    ...(REFUNDED.includes(status) && !order_id ? ["refund" as const] : []),
    ...(statesOf("person").includes(status) ? ["dismiss" as const] : []),
  ]
}

/** Payments that wait for a person, of one kind. */
export interface WaitingKind {
  /** any state in which a payment waits for a person, where it is left out */
  status?: PaymentState
  /** a part of the reason; upper and lower case are the same */
  reason?: string
}

/** So many rows are locked at once: the rest is free for events and workers. */
const AT_ONCE = 500

/** Takes all payments of a kind up again, and returns their ids. */
export async function retryKind(db: Database, person: string, kind: WaitingKind): Promise<string[]> {
  const retried: string[] = []
  for (let after = -1; ; ) {
    const page = await waitingAfter(db, kind, after)
    const ids = page.map(({ id }) => id)
    retried.push(...(await retryReviews(db, person, ids)))
    if (page.length < AT_ONCE) {
      return retried
    }
    after = page.at(-1)?.arrival ?? after
  }
}

async function waitingAfter(
  db: Database,
  { status, reason = "" }: WaitingKind,
  after: number,
): Promise<{ id: string; arrival: number }[]> {
  const { rows } = await db.raw(
    `SELECT id, arrival::float8 AS arrival FROM stripe_payment
      WHERE status = ANY(:states) AND arrival > :after AND deleted_at IS NULL
        AND (:reason = '' OR position(lower(:reason) IN lower(reason)) > 0)
      ORDER BY arrival LIMIT :limit`,
    { states: status ? [status] : statesOf("person"), reason: storableText(reason), after, limit: AT_ONCE },
  )
  return rows
}

/**
 * Takes payments in review up again, each as a person's action on its timeline, and returns their ids. For a payment with
 * an order only what is missing is done; about one without, or whose order was never paid, Stripe is asked anew.
 */
export async function retryReviews(db: Database, person: string, ids: string[]): Promise<string[]> {
  return await takeUp(db, { person, ids, text: "Taken up again", where: "true", backorders: false })
}

/** Takes payments in review up again whose orders are not in stock, which are made all the same. */
export async function backorderReviews(db: Database, person: string, ids: string[]): Promise<string[]> {
  const where = "status = 'review' AND order_id IS NULL AND starts_with(reason, :outOfStock)"
  return await takeUp(db, { person, ids, text: "To be backordered", where, backorders: true })
}

interface Act {
  person: string
  ids: string[]
  /** for the timeline */
  text: string
  /** which of them; an expression of SQL */
  where: string
}

/**
 * Changes the payments for which the action is allowed, takes them from the step that is at work on them, and writes each
 * action on the timeline. Returns their ids.
 */
async function act(
  db: Database,
  { person, ids, text, where }: Act,
  set: string,
  values: Record<string, unknown>,
): Promise<string[]> {
  const { rows } = await db.raw(
    `WITH changed AS (
       UPDATE stripe_payment
          SET ${set}, status_since = clock_timestamp(), attempts = 0, last_error = NULL,
              claim = NULL, claimed_by = NULL, claimed_until = NULL, updated_at = now()
        WHERE id = ANY(:ids) AND ${where} AND deleted_at IS NULL
        RETURNING id, status)
     INSERT INTO stripe_timeline (payment_intent_id, kind, actor, status, text)
     SELECT id, 'action', :person, status, :text FROM changed
     RETURNING payment_intent_id AS id`,
    { ...values, person, text: storableText(text), ids: ids.map(storableText) },
  )
  return rows.map(({ id }: { id: string }) => id)
}

/** Also while news of its money interrupts the wait, which ends before a person could see it. */
function waits(states: string): string {
  return `(status = ANY(${states}) OR (status = 'money_moved' AND resume_to = ANY(${states})))`
}

async function takeUp(
  db: Database,
  { where, backorders, ...action }: Act & { backorders: boolean },
): Promise<string[]> {
  return await act(
    db,
    { ...action, where: `${waits(":retried")} AND ${where}` },
    `status = CASE WHEN order_id IS NULL OR (payment_id IS NULL AND cart_id IS NOT NULL) THEN :withoutOrder
                   WHEN placed_at IS NULL OR captured_at IS NULL THEN :orderToFinish ELSE :orderFinished END,
     reason = NULL, resume_to = NULL, resume_reason = NULL, told = NULL, due_at = clock_timestamp(),
     snapshot = NULL, snapshot_at = NULL, snapshot_revision = NULL, backorders = :backorders`,
    { ...AFTER_RETRY, retried: RETRIED, outOfStock: OUT_OF_STOCK, backorders },
  )
}

/** Puts payments that wait for a person aside, each with its reason and as that person's action, and returns their ids. */
export async function dismissPayments(
  db: Database,
  person: string,
  ids: string[],
  reason: string,
): Promise<string[]> {
  const isInterrupted = "status <> ALL(:waiting)"
  return await act(
    db,
    { person, ids, text: `Dismissed: ${reason}`, where: waits(":waiting") },
    `status = CASE WHEN ${isInterrupted} THEN status ELSE :dismissed END,
     reason = CASE WHEN ${isInterrupted} THEN NULL ELSE :reason END,
     resume_to = CASE WHEN ${isInterrupted} THEN :dismissed END,
     resume_reason = CASE WHEN ${isInterrupted} THEN :reason END`,
    { dismissed: AFTER_DISMISSAL, waiting: statesOf("person"), reason: storableText(reason) },
  )
}

/**
 * Gives the money of payments without an order back: each with its reason and as that person's action. Returns their ids. A
 * payment of an order is refunded on that order.
 */
export async function refundReviews(
  db: Database,
  person: string,
  ids: string[],
  reason: string,
): Promise<string[]> {
  return await act(
    db,
    { person, ids, text: `To be refunded: ${reason}`, where: "status = ANY(:refunded) AND order_id IS NULL" },
    "status = :refunding, reason = :reason, due_at = clock_timestamp()",
    { refunding: AFTER_REFUND, refunded: REFUNDED, reason: storableText(reason) },
  )
}
