import { randomUUID } from "node:crypto"
import type { Database, PaymentRow } from "./payments"
import { AFTER_EVENT, type PaymentState, statesOf } from "./states"

/**
 * Which payments are due, and who works on them. A claim is a worker's hold on a payment: it ends by itself unless it is
 * renewed, and each has a token of its own, so that a worker that was paused past its claim can't write for its successor.
 */

/** How long a dead worker's payments wait for the next worker. */
export const CLAIM_SECONDS = 10

/** How long a dead worker's right to decide waits for the next worker. */
export const LEASE_SECONDS = 5

/** Claims of a workflow that is run by hand; the worker that decides leaves them alone. */
export const BY_HAND = "by hand"

/** A payment that Stripe is asked about keeps its place before those that came later, for so long. */
const LOOKUP_KEEPS_PLACE_MS = 2_000

const LOOKUP: PaymentState = "lookup"
const ORDERED: PaymentState = "ordered"

export type ClaimedPayment = PaymentRow & {
  claim: string
  /** The claim that this one took over: its worker died, or was paused, with its locks held. */
  lapsed_claim?: string | null
}

/**
 * Claims the next payments to decide about, in the order of their arrival. Only for the worker that holds the lease to
 * decide: it takes over what another worker had claimed, since that one may no longer decide.
 */
export async function claimToDecide(db: Database, worker: string, limit: number): Promise<ClaimedPayment[]> {
  const { rows } = await db.raw(
    // State by state, and put so that only the index on state and arrival has the order that is asked for: with the one on
    // arrival alone, every payment of the past is read before the first that is due.
    `WITH due AS MATERIALIZED (
       SELECT next.id, next.claim FROM unnest(CAST(:states AS text[])) AS state
         CROSS JOIN LATERAL (
           SELECT id, claim, arrival FROM stripe_payment
            WHERE status = ANY(ARRAY[state]) AND due_at <= clock_timestamp() AND deleted_at IS NULL
              AND (claimed_until IS NULL OR claimed_until < clock_timestamp() OR claimed_by NOT IN (:worker, :byHand))
              AND arrival < COALESCE(
                (SELECT min(arrival) FROM stripe_payment WHERE status = :lookup AND deleted_at IS NULL
                    AND status_since > clock_timestamp() - :keepsPlace * interval '1 millisecond'),
                9223372036854775807)
            ORDER BY status, arrival LIMIT :limit FOR UPDATE SKIP LOCKED) AS next
        ORDER BY next.arrival LIMIT :limit)
     ${SET_CLAIM} FROM due WHERE payment.id = due.id RETURNING payment.*, due.claim AS lapsed_claim`,
    {
      ...newClaim(worker),
      states: statesOf("decide"),
      byHand: BY_HAND,
      lookup: LOOKUP,
      keepsPlace: LOOKUP_KEEPS_PLACE_MS,
      limit,
    },
  )
  return inOrderOfArrival(rows)
}

/**
 * The two kinds of work behind a decision. Orders that only lack their announcement don't wait behind calls to Stripe,
 * which has its limits.
 */
export type Lane = "announce" | "stripe"

/** Claims payments of a lane for which something is to be carried out, those that have been due for longest first. */
export async function claimToCarryOut(
  db: Database,
  worker: string,
  lane: Lane,
  { limit, capturesAfterStock }: { limit: number; capturesAfterStock: boolean },
): Promise<ClaimedPayment[]> {
  const { rows } = await db.raw(
    `WITH due AS MATERIALIZED (
       SELECT next.id FROM unnest(CAST(:states AS text[])) AS state
         CROSS JOIN LATERAL (
           SELECT id, due_at FROM stripe_payment
            WHERE status = state AND due_at <= clock_timestamp() AND deleted_at IS NULL
              AND (claimed_until IS NULL OR claimed_until < clock_timestamp())
              AND (status = :ordered AND (captured_at IS NOT NULL OR NOT :capturesAfterStock)) = :announces
            ORDER BY due_at LIMIT :limit FOR UPDATE SKIP LOCKED) AS next
        ORDER BY next.due_at LIMIT :limit)
     ${SET_CLAIM} FROM due WHERE payment.id = due.id RETURNING payment.*`,
    {
      ...newClaim(worker),
      states: lane === "announce" ? [ORDERED] : statesOf("carry out"),
      ordered: ORDERED,
      capturesAfterStock,
      announces: lane === "announce",
      limit,
    },
  )
  return inOrderOfArrival(rows)
}

/**
 * Claims these payments for a workflow that is run by hand, to be decided as after an event, and makes rows for those that
 * have none. What a worker holds, or what is decided, is left out.
 */
export async function claimByHand(db: Database, ids: string[]): Promise<ClaimedPayment[]> {
  await db.raw(
    `INSERT INTO stripe_payment (id) SELECT unnest(CAST(? AS text[])) ON CONFLICT (id) DO NOTHING`,
    [ids],
  )
  const { rows } = await db.raw(
    `WITH free AS MATERIALIZED (
       SELECT id, claim FROM stripe_payment
        WHERE id = ANY(:ids) AND COALESCE(CAST(:afterEvent AS jsonb) ->> status, status) = ANY(:states) AND deleted_at IS NULL
          AND (claimed_until IS NULL OR claimed_until < clock_timestamp())
        ORDER BY id FOR UPDATE SKIP LOCKED)
     ${SET_CLAIM}, status = COALESCE(CAST(:afterEvent AS jsonb) ->> payment.status, payment.status)
       FROM free WHERE payment.id = free.id RETURNING payment.*, free.claim AS lapsed_claim`,
    {
      ...newClaim(BY_HAND),
      ids,
      states: statesOf("decide"),
      afterEvent: JSON.stringify(AFTER_EVENT.progress),
    },
  )
  return inOrderOfArrival(rows)
}

/** Claims those of these payments that are due to be carried out, for a workflow that is run by hand. */
export async function claimToCarryOutByHand(db: Database, ids: string[]): Promise<ClaimedPayment[]> {
  const { rows } = await db.raw(
    `WITH free AS MATERIALIZED (
       SELECT id FROM stripe_payment
        WHERE id = ANY(:ids) AND status = ANY(:states) AND due_at <= clock_timestamp() AND deleted_at IS NULL
          AND (claimed_until IS NULL OR claimed_until < clock_timestamp())
        ORDER BY id FOR UPDATE SKIP LOCKED)
     ${SET_CLAIM} FROM free WHERE payment.id = free.id RETURNING payment.*`,
    { ...newClaim(BY_HAND), ids, states: statesOf("carry out") },
  )
  return inOrderOfArrival(rows)
}

const SET_CLAIM = `UPDATE stripe_payment AS payment
        SET claim = :token, claimed_by = :worker,
            claimed_until = clock_timestamp() + :claimSeconds * interval '1 second', updated_at = now()`

function newClaim(worker: string) {
  return { token: randomUUID(), worker, claimSeconds: CLAIM_SECONDS }
}

function inOrderOfArrival(rows: ClaimedPayment[]): ClaimedPayment[] {
  return rows.sort((a, b) => Number(a.arrival) - Number(b.arrival))
}

/** Keeps these claims for another ten seconds. A claim that has passed to another worker is not touched. */
export async function renewClaims(db: Database, claims: string[]): Promise<void> {
  if (claims.length > 0) {
    await db.raw(
      `UPDATE stripe_payment SET claimed_until = clock_timestamp() + ? * interval '1 second' WHERE claim = ANY(?)`,
      [CLAIM_SECONDS, claims],
    )
  }
}

/** Renews claims for as long as their work takes. Returns what ends that. */
export function keepClaims(db: Database, claims: () => string[]): () => void {
  // A renewal that fails is made up for by the next one; if none succeeds, the payments are another worker's.
  const renewal = setInterval(() => renewClaims(db, claims()).catch(() => {}), (CLAIM_SECONDS / 3) * 1000)
  renewal.unref()
  return () => clearInterval(renewal)
}

/** Gives claims back without an outcome: their payments are due as before. */
export async function releaseClaims(db: Database, held: { id: string; claim: string }[]): Promise<void> {
  if (held.length > 0) {
    await db.raw(
      `UPDATE stripe_payment SET claim = NULL, claimed_by = NULL, claimed_until = NULL
        WHERE id = ANY(?) AND claim = ANY(?)`,
      [held.map(({ id }) => id), held.map(({ claim }) => claim)],
    )
  }
}

/** Takes or renews the lease `name` for five seconds; false while another holder's lasts. The row's lock makes it one. */
export async function takeLease(db: Database, name: string, holder: string): Promise<boolean> {
  const { rows } = await db.raw(
    `INSERT INTO stripe_lease AS lease (id, holder, expires_at)
     VALUES (:name, :holder, clock_timestamp() + :seconds * interval '1 second')
     ON CONFLICT (id) DO UPDATE SET holder = EXCLUDED.holder, expires_at = EXCLUDED.expires_at, updated_at = now()
      WHERE lease.holder = EXCLUDED.holder OR lease.expires_at < clock_timestamp()
     RETURNING id`,
    { name, holder, seconds: LEASE_SECONDS },
  )
  return rows.length > 0
}

/** Whether the lease is still this holder's: a look, which writes nothing. */
export async function holdsLease(db: Database, name: string, holder: string): Promise<boolean> {
  const { rows } = await db.raw(
    `SELECT id FROM stripe_lease WHERE id = ? AND holder = ? AND expires_at > clock_timestamp()`,
    [name, holder],
  )
  return rows.length > 0
}

/** Rows of workers that died long ago. */
export async function forgetDeadWorkers(db: Database): Promise<void> {
  await db.raw(`DELETE FROM stripe_lease WHERE expires_at < clock_timestamp() - interval '1 hour'`)
}

export async function releaseLeases(db: Database, holder: string): Promise<void> {
  await db.raw(`DELETE FROM stripe_lease WHERE holder = ?`, [holder])
}

/** How many workers share the shop's work, this one included. */
export async function countWorkers(db: Database): Promise<number> {
  const { rows } = await db.raw(
    `SELECT count(DISTINCT holder)::int AS workers FROM stripe_lease WHERE expires_at > clock_timestamp()`,
  )
  return Math.max(1, rows[0].workers)
}

/** What is due: a decision, or anything. */
export type Due = "a decision" | "anything"

/** Wakes the workers of all processes. The timers of their own make up for a notification that is lost. */
export const WAKE_CHANNEL = "stripe_orders_due"

export async function notifyWorkers(db: Database, due: Due): Promise<void> {
  await db.raw(`SELECT pg_notify(?, ?)`, [WAKE_CHANNEL, due])
}
