import { type Database, retryReviews } from "./payments"
import { type PaymentState, statesOf } from "./states"
import { storableText } from "./storable"

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
