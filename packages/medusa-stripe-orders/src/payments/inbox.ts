import { type News, type StoredEvent, typesThatTell } from "../events"
import { type Database, FACT_COLUMNS, FACTS, type PaymentFacts, searchable } from "./payments"
import { AFTER_EVENT, afterEvent, INTERRUPTED, keepVerdict } from "./states"

export interface IncomingEvent {
  id: string
  type: string
  api_version: string | null
  livemode: boolean
  /** Unix seconds, as Stripe sends it */
  created: number
  /** what was signed, as text, without the client's secret */
  payload: string
  /** was never delivered, but found in Stripe's list of events: no delivery is counted */
  isFetched?: boolean
}

/** What an event changes: a payment that it opens or knows, or none. */
export interface EventConcern {
  payment_intent_id: string
  /** makes the row where there is none */
  opens?: boolean
  news: News
  facts?: PaymentFacts
}

export interface Received {
  event: IncomingEvent
  concern: EventConcern | null
}

/**
 * What an event makes of its payment's row, by what it tells. A step that is at work on a payment that moves on can no
 * longer write.
 */
const lookAgain = (news: string) => {
  // About an order, a cancellation tells no more than that money moved.
  const told = `(CASE WHEN ${news} = 'canceled' AND payment.order_id IS NOT NULL THEN 'money' ELSE ${news} END)`
  const after = afterEvent(told, { status: "payment.status", order_id: "payment.order_id" })
  const verdict = { status: "payment.status", reason: "payment.reason" }
  return `
  ${keepVerdict(after, verdict, (column) => `payment.${column}`)},
  revision = payment.revision + 1,
  status = COALESCE(${after}, payment.status),
  status_since = CASE WHEN ${after} <> payment.status THEN clock_timestamp() ELSE payment.status_since END,
  claim = CASE WHEN ${after} <> payment.status THEN NULL ELSE payment.claim END,
  claimed_until = CASE WHEN ${after} <> payment.status THEN NULL ELSE payment.claimed_until END,
  due_at = clock_timestamp(), updated_at = now()`
}

/**
 * Stores events and makes their payments due, in one statement: afterwards Stripe may be told 200. A delivery of the
 * same event again is counted and changes nothing else.
 *
 * All are of different payments. Their rows are written in the order of their ids, but numbered in the order of their
 * arrival. Two processes may still lock the same two payments in different orders: Postgres ends one statement, and its
 * events are stored one by one.
 */
export async function receiveEvents(db: Database, received: Received[]): Promise<void> {
  const facts = FACTS.join(", ")
  const newerFacts = FACTS.map((fact) => `${fact} = COALESCE(EXCLUDED.${fact}, payment.${fact})`).join(", ")
  await db.raw(
    `WITH incoming AS MATERIALIZED (
       SELECT * FROM jsonb_to_recordset(CAST(:incoming AS jsonb)) AS e(
         position int, id text, type text, api_version text, event_livemode boolean, event_created float8,
         payload text, "isFetched" boolean, payment_intent_id text, opens boolean, news text, ${FACT_COLUMNS})),
     fresh AS MATERIALIZED (
       SELECT * FROM incoming
        WHERE payment_intent_id IS NOT NULL
          AND NOT EXISTS (SELECT 1 FROM stripe_event WHERE stripe_event.id = incoming.id)),
     numbered AS MATERIALIZED (
       SELECT opening.*, nextval('stripe_payment_arrival_seq') AS arrival
         FROM (SELECT * FROM fresh WHERE opens ORDER BY position) AS opening),
     opened AS (
       INSERT INTO stripe_payment AS payment (id, arrival, revision, ${facts})
       SELECT payment_intent_id, arrival, 1, ${facts} FROM numbered ORDER BY payment_intent_id
       ON CONFLICT (id) DO UPDATE SET ${lookAgain("(SELECT news FROM numbered WHERE numbered.payment_intent_id = payment.id)")}, ${newerFacts}
       RETURNING payment.id, payment.revision, payment.status),
     woken AS (
       UPDATE stripe_payment AS payment SET ${lookAgain("fresh.news")}
         FROM fresh WHERE NOT fresh.opens AND payment.id = fresh.payment_intent_id
       RETURNING payment.id, payment.revision, payment.status),
     looked AS (SELECT * FROM opened UNION ALL SELECT * FROM woken),
     stored AS (
       INSERT INTO stripe_event
         (id, type, api_version, livemode, created, payment_intent_id, revision, status, payload, deliveries)
       SELECT incoming.id, type, api_version, event_livemode, to_timestamp(event_created), payment_intent_id,
              looked.revision, CASE WHEN looked.id IS NULL THEN 'ignored' ELSE 'pending' END, payload,
              CASE WHEN "isFetched" THEN 0 ELSE 1 END
         FROM incoming LEFT JOIN looked ON looked.id = incoming.payment_intent_id
        ORDER BY incoming.id
       ON CONFLICT (id) DO UPDATE SET deliveries = stripe_event.deliveries + EXCLUDED.deliveries, updated_at = now()
       -- A row that an INSERT made has no xmax.
       RETURNING id, type, xmax = 0 AS is_new, deliveries, payment_intent_id)
     INSERT INTO stripe_timeline (payment_intent_id, kind, actor, status, text, data)
     SELECT looked.id, 'event', 'Stripe', looked.status,
            CASE WHEN deliveries = 0 THEN 'Fetched from Stripe, which had not delivered it: ' ELSE 'Stripe sent ' END
              || stored.type,
            jsonb_build_object('event_id', stored.id)
       FROM stored JOIN looked ON looked.id = stored.payment_intent_id WHERE stored.is_new`,
    {
      incoming: JSON.stringify(received.map(toRecord)),
      afterEvent: JSON.stringify(AFTER_EVENT),
      interrupted: INTERRUPTED,
    },
  )
}

function toRecord({ event, concern }: Received, position: number) {
  const { livemode, created, isFetched = false, ...rest } = event
  return {
    ...searchable(concern?.facts ?? {}),
    ...rest,
    isFetched,
    position,
    event_livemode: livemode,
    event_created: created,
    payment_intent_id: concern?.payment_intent_id ?? null,
    opens: concern?.opens ?? false,
    news: concern?.news ?? "progress",
  }
}

/** Those of these events that are not stored. */
export async function unknownEvents<T extends { id: string }>(db: Database, events: T[]): Promise<T[]> {
  const { rows } = await db.raw(`SELECT id FROM stripe_event WHERE id = ANY(?)`, [events.map(({ id }) => id)])
  const known = new Set(rows.map(({ id }: { id: string }) => id))
  return events.filter(({ id }) => !known.has(id))
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
         AND event.deleted_at IS NULL
      WHERE event.type <> ALL(:progress)`,
    {
      ids: read.map(({ id }) => id),
      revisions: read.map(({ revision }) => revision),
      progress: typesThatTell("progress"),
    },
  )
  return new Set(rows.map(({ id }: { id: string }) => id))
}
