import type { Database } from "./payments"
import { statesOf } from "./states"

/** Days; null means without limit. */
export interface Retention {
  events: number | null
  timeline: number | null
}

/** So many rows are locked at once, for some milliseconds. */
const AT_ONCE = 500

/** Between two batches, for the shop's own statements. */
const PAUSE_MS = 50

/**
 * Removes what is older than the store wants to keep, of payments that are final: the payloads of their events and what
 * Stripe last answered about them, which hold personal data, and lines of their timelines. The row of an event stays, so
 * that a redelivery is known. Rows that are being worked on are left for the next time, and not waited for.
 */
export async function prune(
  db: Database,
  { events, timeline }: Retention,
  mayGoOn: () => boolean = () => true,
): Promise<void> {
  if (events !== null) {
    await inBatches((after) => pruneBatch(db, PAYLOADS, events, after), "-infinity", mayGoOn)
    await inBatches((after) => pruneBatch(db, SNAPSHOTS, events, after), "-infinity", mayGoOn)
  }
  if (timeline !== null) {
    await inBatches((after) => pruneBatch(db, LINES, timeline, after), "0", mayGoOn)
  }
}

/** `last` is where the next batch begins; null where nothing is left. */
async function inBatches(
  batch: (after: string) => Promise<string | null>,
  first: string,
  mayGoOn: () => boolean,
): Promise<void> {
  for (let after: string | null = first; after !== null && mayGoOn(); ) {
    after = await batch(after)
    await new Promise((resolve) => void setTimeout(resolve, PAUSE_MS).unref())
  }
}

async function pruneBatch(db: Database, sql: string, days: number, after: string): Promise<string | null> {
  const { rows } = await db.raw(sql, { days, after, limit: AT_ONCE, final: statesOf(null) })
  return rows[0].last
}

const CUTOFF = "clock_timestamp() - :days * interval '1 day'"

const isFinal = (id: string) =>
  `NOT EXISTS (SELECT 1 FROM stripe_payment AS payment WHERE payment.id = ${id} AND payment.status <> ALL(:final))`

/** Each batch begins where the last one ended: what is old and has to stay is passed over once. */
const PAYLOADS = `
  WITH old AS MATERIALIZED (
    SELECT id, created_at FROM stripe_event AS event
     WHERE payload IS NOT NULL AND deleted_at IS NULL AND created_at < ${CUTOFF} AND created_at >= CAST(:after AS timestamptz)
       AND ${isFinal("event.payment_intent_id")}
     ORDER BY created_at LIMIT :limit FOR UPDATE OF event SKIP LOCKED),
  pruned AS (
    UPDATE stripe_event AS event SET payload = NULL, updated_at = now() FROM old WHERE event.id = old.id)
  SELECT CASE WHEN count(*) = :limit THEN max(created_at)::text END AS last FROM old`

const SNAPSHOTS = `
  WITH old AS MATERIALIZED (
    SELECT id, snapshot_at FROM stripe_payment
     WHERE snapshot IS NOT NULL AND deleted_at IS NULL AND snapshot_at < ${CUTOFF} AND snapshot_at >= CAST(:after AS timestamptz)
       AND status = ANY(:final)
     ORDER BY snapshot_at LIMIT :limit FOR UPDATE SKIP LOCKED),
  pruned AS (
    UPDATE stripe_payment AS payment SET snapshot = NULL, checkout = NULL, snapshot_at = NULL, snapshot_revision = NULL
      FROM old WHERE payment.id = old.id)
  SELECT CASE WHEN count(*) = :limit THEN max(snapshot_at)::text END AS last FROM old`

/** Lines are numbered as they are written: no index on their age is needed, only to stop where they are young. */
const LINES = `
  WITH next AS MATERIALIZED (
    SELECT id, at < ${CUTOFF} AS is_old FROM stripe_timeline
     WHERE id > CAST(:after AS bigint) ORDER BY id LIMIT :limit),
  old AS MATERIALIZED (
    SELECT line.id FROM stripe_timeline AS line JOIN next USING (id)
     WHERE next.is_old AND ${isFinal("line.payment_intent_id")}
     ORDER BY line.id FOR UPDATE OF line SKIP LOCKED),
  pruned AS (
    DELETE FROM stripe_timeline AS line USING old WHERE line.id = old.id)
  SELECT CASE WHEN count(*) = :limit AND bool_or(is_old) THEN max(id)::text END AS last FROM next`
