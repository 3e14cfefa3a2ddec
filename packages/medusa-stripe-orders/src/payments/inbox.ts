import { HARMLESS_TYPES, type StoredEvent } from "../events"
import { type Database, FACTS, type PaymentFacts, searchable } from "./payments"
import { AFTER_EVENT } from "./states"

export interface IncomingEvent {
  id: string
  type: string
  api_version: string | null
  livemode: boolean
  account: string | null
  /** Unix seconds, as Stripe sends it */
  created: number
  /** what was signed, as text */
  payload: string
}

/** What an event changes: a payment that it opens or knows, or none. */
export interface EventConcern {
  payment_intent_id: string
  /** makes the row where there is none */
  opens?: boolean
  facts?: PaymentFacts
}

/**
 * Stores the event and makes its payment due, in one statement: afterwards Stripe may be told 200. A delivery of the
 * same event again is counted and changes nothing else.
 */
export async function receiveEvent(
  db: Database,
  event: IncomingEvent,
  concern: EventConcern | null,
): Promise<void> {
  const known = searchable(concern?.facts ?? {})
  const look = `revision = stripe_payment.revision + 1,
             status = COALESCE(CAST(:afterEvent AS jsonb) ->> stripe_payment.status, stripe_payment.status),
             status_since = CASE WHEN CAST(:afterEvent AS jsonb) ->> stripe_payment.status <> stripe_payment.status
                                 THEN clock_timestamp() ELSE stripe_payment.status_since END,
             claim = CASE WHEN CAST(:afterEvent AS jsonb) ->> stripe_payment.status <> stripe_payment.status
                          THEN NULL ELSE stripe_payment.claim END,
             claimed_until = CASE WHEN CAST(:afterEvent AS jsonb) ->> stripe_payment.status <> stripe_payment.status
                                  THEN NULL ELSE stripe_payment.claimed_until END,
             due_at = clock_timestamp(), updated_at = now()`
  const facts = FACTS.map((fact) => `${fact} = COALESCE(EXCLUDED.${fact}, stripe_payment.${fact})`).join(", ")
  const unknownEvent = `NOT EXISTS (SELECT 1 FROM stripe_event WHERE id = :id)`
  const payment = concern?.opens
    ? `INSERT INTO stripe_payment (id, revision, ${FACTS.join(", ")})
       SELECT :payment, 1, ${FACTS.map((fact) => `:${fact}`).join(", ")} WHERE ${unknownEvent}
       ON CONFLICT (id) DO UPDATE SET ${look}, ${facts}
       RETURNING id, revision, status`
    : `UPDATE stripe_payment SET ${look} WHERE id = :payment AND ${unknownEvent}
       RETURNING id, revision, status`
  await db.raw(
    `WITH payment AS (${payment}),
     event AS (
       INSERT INTO stripe_event
         (id, type, api_version, livemode, created, payment_intent_id, revision, status, payload)
       VALUES (:id, :type, :apiVersion, :eventLivemode, to_timestamp(:eventCreated), :payment,
         (SELECT revision FROM payment), CASE WHEN EXISTS (SELECT 1 FROM payment) THEN 'pending' ELSE 'ignored' END,
         :payload)
       ON CONFLICT (id) DO UPDATE SET deliveries = stripe_event.deliveries + 1, updated_at = now()
       RETURNING deliveries)
     INSERT INTO stripe_timeline (payment_intent_id, kind, actor, status, text, data)
     SELECT payment.id, 'event', 'Stripe', payment.status, :text, CAST(:data AS jsonb)
       FROM payment, event WHERE event.deliveries = 1`,
    {
      afterEvent: JSON.stringify(AFTER_EVENT),
      id: event.id,
      type: event.type,
      apiVersion: event.api_version,
      eventLivemode: event.livemode,
      eventCreated: event.created,
      payment: concern?.payment_intent_id ?? null,
      payload: event.payload,
      text: `Stripe sent ${event.type}`,
      data: JSON.stringify({ event_id: event.id }),
      ...Object.fromEntries(FACTS.map((fact) => [fact, known[fact] ?? null])),
    },
  )
}

/** The events of these payments, by payment. */
export async function readEvents(db: Database, ids: string[]): Promise<Map<string, StoredEvent[]>> {
  const { rows } = await db.raw(
    `SELECT payment_intent_id, id, type, api_version, created, created_at, revision, payload
       FROM stripe_event WHERE payment_intent_id = ANY(?) AND deleted_at IS NULL`,
    [ids],
  )
  const events = new Map<string, StoredEvent[]>()
  for (const { payment_intent_id, ...event } of rows) {
    events.set(payment_intent_id, [...(events.get(payment_intent_id) ?? []), event])
  }
  return events
}

/** Of these payments, those that have moved in Stripe since the revision that was read. */
export async function movedSince(
  db: Database,
  read: { id: string; revision: number }[],
): Promise<Set<string>> {
  if (read.length === 0) {
    return new Set()
  }
  const { rows } = await db.raw(
    `SELECT DISTINCT event.payment_intent_id AS id
       FROM unnest(CAST(:ids AS text[]), CAST(:revisions AS int[])) AS read(id, revision)
       JOIN stripe_event AS event ON event.payment_intent_id = read.id AND event.revision > read.revision
      WHERE event.type <> ALL(:harmless)`,
    {
      ids: read.map(({ id }) => id),
      revisions: read.map(({ revision }) => revision),
      harmless: HARMLESS_TYPES,
    },
  )
  return new Set(rows.map(({ id }: { id: string }) => id))
}
