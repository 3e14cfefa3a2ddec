import { type Database, FACT_COLUMNS, FACTS, type PaymentFacts, searchable } from "./payments"
import { AFTER_EVENT, afterEvent, INTERRUPTED, keepVerdict, type PaymentState, statesOf } from "./states"
import { storableText } from "./storable"

/** A payment that a person's reconciliation found in Stripe and not here. */
export interface FoundPayment {
  id: string
  text: string
  facts: PaymentFacts
  /** the payment intent, JSON: as good as what Stripe answers to a question about this payment */
  snapshot: string
}

/** Makes the rows of these payments, in this order, due at once. Returns the ids of those that had none. */
export async function openFound(db: Database, person: string, found: FoundPayment[]): Promise<Set<string>> {
  const facts = FACTS.join(", ")
  return idsOf(
    await db.raw(
      `WITH found AS MATERIALIZED (
         SELECT f.*, nextval('stripe_payment_arrival_seq') AS arrival
           FROM (SELECT * FROM jsonb_to_recordset(CAST(:found AS jsonb))
                   AS f(position int, id text, text text, snapshot text, ${FACT_COLUMNS}) ORDER BY position) AS f),
       opened AS (
         INSERT INTO stripe_payment (id, arrival, snapshot, snapshot_at, snapshot_revision, ${facts})
         SELECT id, arrival, snapshot, clock_timestamp(), 0, ${facts} FROM found ORDER BY id
         ON CONFLICT (id) DO NOTHING
         RETURNING id, status)
       INSERT INTO stripe_timeline (payment_intent_id, kind, actor, status, text)
       SELECT opened.id, 'action', :person, opened.status, found.text FROM opened JOIN found USING (id)
       RETURNING payment_intent_id AS id`,
      {
        person,
        found: JSON.stringify(
          found.map(({ facts, text, ...rest }, position) => ({
            ...searchable(facts),
            ...rest,
            text: storableText(text),
            position,
          })),
        ),
      },
    ),
  )
}

/** A payment that is to be looked at again, as it was when that was found. */
export interface StalePayment {
  id: string
  text: string
  from: PaymentState
  to: PaymentState
}

/** Has these payments looked at again at once. Returns the ids of those that had not moved on meanwhile. */
export async function takeUp(db: Database, person: string, stale: StalePayment[]): Promise<Set<string>> {
  return idsOf(
    await db.raw(
      `WITH stale AS MATERIALIZED (
         SELECT stale.* FROM jsonb_to_recordset(CAST(:stale AS jsonb)) AS stale(id text, text text, "from" text, "to" text)
           JOIN stripe_payment AS payment ON payment.id = stale.id
          ORDER BY stale.id FOR UPDATE OF payment),
       taken AS (
         UPDATE stripe_payment AS payment
            SET status = stale."to",
                status_since = CASE WHEN stale."to" = payment.status THEN status_since ELSE clock_timestamp() END,
                due_at = clock_timestamp(), attempts = 0, last_error = NULL,
                claim = NULL, claimed_by = NULL, claimed_until = NULL,
                snapshot = NULL, snapshot_at = NULL, snapshot_revision = NULL, updated_at = now()
           FROM stale WHERE payment.id = stale.id AND payment.status = stale."from" AND payment.deleted_at IS NULL
         RETURNING payment.id, payment.status)
       INSERT INTO stripe_timeline (payment_intent_id, kind, actor, status, text)
       SELECT taken.id, 'action', :person, taken.status, stale.text FROM taken JOIN stale USING (id)
       RETURNING payment_intent_id AS id`,
      { person, stale: JSON.stringify(stale) },
    ),
  )
}

function idsOf({ rows }: { rows: { id: string }[] }): Set<string> {
  return new Set(rows.map(({ id }) => id))
}

/** Makes the payments of these orders due, as news of money in Stripe does. */
export async function lookAgainAtOrders(db: Database, orderIds: string[]): Promise<void> {
  const after = afterEvent("'money'", { status: "status", order_id: "order_id" })
  await db.raw(
    `UPDATE stripe_payment AS payment
        SET status = ${after}, status_since = clock_timestamp(), due_at = clock_timestamp(),
            ${keepVerdict(after, { status: "status", reason: "reason" }, (column) => column)},
            claim = NULL, claimed_by = NULL, claimed_until = NULL, updated_at = now()
      WHERE order_id = ANY(:orderIds) AND ${after} IS NOT NULL AND deleted_at IS NULL`,
    { orderIds, afterEvent: JSON.stringify(AFTER_EVENT), interrupted: INTERRUPTED },
  )
  await db.raw(
    `UPDATE stripe_payment SET due_at = clock_timestamp(), updated_at = now()
      WHERE order_id = ANY(:orderIds) AND status = ANY(:states) AND deleted_at IS NULL`,
    { orderIds, states: statesOf("carry out") },
  )
}
