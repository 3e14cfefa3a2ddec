import type { Knex } from "@medusajs/framework/mikro-orm/knex"

export const PAYMENT_STATUSES = [
  "pending", // nothing decided yet
  "ordered", // order and stock are committed; capture and order.placed are still to do
  "completed", // the order stands, the money is in, order.placed was emitted
  "returning", // no stock: the money is to be given back
  "refunded", // it was captured, and was given back
  "cancelled", // it was only authorised, and was let go
  "void", // cancelled or refunded in Stripe before an order was made
  "review", // waits for a person; `reason` says why
] as const

export type PaymentStatus = (typeof PAYMENT_STATUSES)[number]

/** One row of `stripe_payment`; `id` is the payment intent's. */
export interface PaymentRow {
  id: string
  status: PaymentStatus
  reason: string | null
  order_id: string | null
  cart_id: string | null
  payment_id: string | null
  arrival: number
  revision: number
  attempts: number
  last_error: string | null
  captured_at: Date | null
  placed_at: Date | null
}

/** A payment taken by a worker, with the revision that it saw. */
export interface ClaimedPayment {
  id: string
  revision: number
  attempts: number
}

export interface IncomingEvent {
  id: string
  type: string
  api_version: string | null
  livemode: boolean
  /** Unix seconds, as Stripe sends it */
  created: number
  payload: unknown
}

/** Either the pool or a transaction; each statement below is atomic by itself. */
type Database = Knex | Knex.Transaction

/**
 * Stores the event and marks its payment as due, in one statement: afterwards Stripe may be told 200. A
 * delivery of the same event again is counted and changes nothing else.
 */
export async function receive(
  db: Database,
  event: IncomingEvent,
  paymentIntentId: string | null,
): Promise<void> {
  await db.raw(
    `WITH payment AS (
       INSERT INTO stripe_payment (id, revision, due_at)
       SELECT :payment, 1, clock_timestamp()
        WHERE CAST(:payment AS text) IS NOT NULL AND NOT EXISTS (SELECT 1 FROM stripe_event WHERE id = :id)
       ON CONFLICT (id) DO UPDATE
         SET revision = stripe_payment.revision + 1, due_at = clock_timestamp(), updated_at = now()
       RETURNING revision)
     INSERT INTO stripe_event
       (id, type, api_version, livemode, created, payment_intent_id, revision, status, payload)
     VALUES (:id, :type, :apiVersion, :livemode, to_timestamp(:created), :payment,
       (SELECT revision FROM payment), CASE WHEN CAST(:payment AS text) IS NULL THEN 'ignored' ELSE 'pending' END, :payload)
     ON CONFLICT (id) DO UPDATE SET deliveries = stripe_event.deliveries + 1, updated_at = now()`,
    {
      id: event.id,
      type: event.type,
      apiVersion: event.api_version,
      livemode: event.livemode,
      created: event.created,
      payment: paymentIntentId,
      payload: JSON.stringify(event.payload),
    },
  )
}

/** Makes sure that each payment has its row, also when the workflow is run by hand, without an event. */
export async function open(db: Database, paymentIntentIds: string[]): Promise<void> {
  await db.raw(`INSERT INTO stripe_payment (id) SELECT unnest(?::text[]) ON CONFLICT (id) DO NOTHING`, [
    paymentIntentIds,
  ])
}

/**
 * Takes up to `limit` due payments for `worker`, oldest first; what another worker holds is passed over. A
 * claim ends by itself after `leaseSeconds`, so the payments of a worker that died are taken up by the next.
 */
export async function claimDue(
  db: Database,
  worker: string,
  limit: number,
  leaseSeconds: number,
): Promise<ClaimedPayment[]> {
  const { rows } = await db.raw(
    `UPDATE stripe_payment
        SET claimed_by = ?, claimed_until = clock_timestamp() + make_interval(secs => ?), updated_at = now()
      WHERE id IN (
        SELECT id FROM stripe_payment
         WHERE due_at <= clock_timestamp() AND deleted_at IS NULL
           AND (claimed_until IS NULL OR claimed_until < clock_timestamp())
         ORDER BY arrival LIMIT ? FOR UPDATE SKIP LOCKED)
      RETURNING id, revision, attempts, arrival`,
    [worker, leaseSeconds, limit],
  )
  return rows.sort((a: PaymentRow, b: PaymentRow) => a.arrival - b.arrival)
}

/** Keeps the worker's claims for another `leaseSeconds`. */
export async function renewClaims(
  db: Database,
  worker: string,
  ids: string[],
  leaseSeconds: number,
): Promise<void> {
  await db.raw(
    `UPDATE stripe_payment SET claimed_until = clock_timestamp() + make_interval(secs => ?)
      WHERE id = ANY(?) AND claimed_by = ?`,
    [leaseSeconds, ids, worker],
  )
}

/**
 * The pass over this payment is done: its events up to the revision that the pass saw are settled. An event
 * that arrived meanwhile leaves the payment due.
 */
export async function settle(db: Database, worker: string, { id, revision }: ClaimedPayment): Promise<void> {
  await db.raw(
    `WITH payment AS (
       UPDATE stripe_payment
          SET due_at = CASE WHEN revision = :revision THEN NULL ELSE due_at END,
              claimed_by = NULL, claimed_until = NULL, attempts = 0, last_error = NULL, updated_at = now()
        WHERE id = :id AND claimed_by = :worker)
     UPDATE stripe_event SET status = 'settled', settled_at = clock_timestamp(), updated_at = now()
      WHERE payment_intent_id = :id AND revision <= :revision AND status = 'pending' AND deleted_at IS NULL`,
    { id, revision, worker },
  )
}

/** The pass failed: the payment is due again after `delaySeconds`, and says why. */
export async function postpone(
  db: Database,
  worker: string,
  id: string,
  error: string,
  delaySeconds: number,
): Promise<void> {
  await db.raw(
    `UPDATE stripe_payment
        SET due_at = clock_timestamp() + make_interval(secs => ?), attempts = attempts + 1, last_error = ?,
            claimed_by = NULL, claimed_until = NULL, updated_at = now()
      WHERE id = ? AND claimed_by = ?`,
    [delaySeconds, error, id, worker],
  )
}

/**
 * Tried often enough: the payment and its events wait for a person, who is told why. Nothing is thrown away, and what is
 * settled stays so, whatever failed after it.
 */
export async function giveUp(
  db: Database,
  worker: string,
  payment: ClaimedPayment,
  error: string,
): Promise<void> {
  await db.raw(
    `UPDATE stripe_payment
        SET status = CASE WHEN status IN ('pending', 'ordered', 'returning') THEN 'review' ELSE status END,
            reason = CASE WHEN status IN ('pending', 'ordered', 'returning') THEN ? ELSE reason END,
            attempts = attempts + 1, last_error = ?, due_at = NULL,
            claimed_by = NULL, claimed_until = NULL, updated_at = now()
      WHERE id = ? AND claimed_by = ?`,
    [`gave up after ${payment.attempts + 1} attempts: ${error}`, error, payment.id, worker],
  )
}

/**
 * Makes payments that wait for a person due again, as new ones, and returns their ids. What was decided stands: one with
 * an order goes on behind it; one without is decided anew, by what Stripe says then.
 */
export async function retry(db: Database, ids: string[]): Promise<string[]> {
  const { rows } = await db.raw(
    `UPDATE stripe_payment
        SET status = CASE WHEN order_id IS NULL THEN 'pending' ELSE 'ordered' END, reason = NULL, attempts = 0,
            last_error = NULL, due_at = clock_timestamp(), updated_at = now()
      WHERE id = ANY(?) AND status = 'review' AND deleted_at IS NULL
      RETURNING id`,
    [ids],
  )
  return rows.map(({ id }: { id: string }) => id)
}

/** Locks the rows until the transaction ends, in the order of their ids so that two batches can't deadlock. */
export async function lockRows(trx: Knex.Transaction, ids: string[]): Promise<Map<string, PaymentRow>> {
  const { rows } = await trx.raw(`SELECT * FROM stripe_payment WHERE id = ANY(?) ORDER BY id FOR UPDATE`, [
    ids,
  ])
  return new Map(rows.map((row: PaymentRow) => [row.id, row]))
}

export async function readRows(db: Database, ids: string[]): Promise<Map<string, PaymentRow>> {
  const { rows } = await db.raw(`SELECT * FROM stripe_payment WHERE id = ANY(?) ORDER BY arrival`, [ids])
  return new Map(rows.map((row: PaymentRow) => [row.id, row]))
}

/** Decides about payments about which nothing was decided yet, each for its own reason. */
export async function decide(
  db: Database,
  status: "void" | "review",
  decisions: { id: string; reason: string }[],
): Promise<void> {
  await db.raw(
    `UPDATE stripe_payment AS payment SET status = ?, reason = decision.reason, updated_at = now()
       FROM unnest(?::text[], ?::text[]) AS decision(id, reason)
      WHERE payment.id = decision.id AND payment.status = 'pending'`,
    [status, decisions.map(({ id }) => id), decisions.map(({ reason }) => reason)],
  )
}

/** Writes what became of a payment. The caller holds the row by `lockRows`. */
export async function record(
  trx: Knex.Transaction,
  id: string,
  facts: Partial<Omit<PaymentRow, "id" | "arrival" | "revision">>,
): Promise<void> {
  await trx("stripe_payment")
    .where({ id })
    .update({ ...facts, updated_at: trx.fn.now() })
}
