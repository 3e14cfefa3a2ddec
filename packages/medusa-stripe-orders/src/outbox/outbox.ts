import type { Database } from "../payments/payments"
import { EVENT_PREFIX } from "./bus-events"

/** One event for the store's bus, written with the outcome that it tells of. */
export interface OutboxEvent {
  /** in the order in which they were written */
  id: string
  name: string
  data: BusEventData
}

/** The data of each `stripe_payment.…` event. Nothing in it is personal. */
export interface BusEventData {
  /** the payment intent's */
  id: string
  /** the same where the event is sent again */
  event_id: string
  order_id: string | null
  reason: string | null
}

/** What the bus has not taken yet. */
export async function readOutbox(db: Database, limit: number): Promise<OutboxEvent[]> {
  const { rows } = await db.raw(
    `SELECT ${COLUMNS} FROM stripe_outbox WHERE sent_at IS NULL ORDER BY id LIMIT ?`,
    [limit],
  )
  return rows.map(toEvent)
}

/** What the bus has taken and the store's own hook has not; the hook's failures come again after a while. */
export async function readForHook(db: Database, limit: number): Promise<OutboxEvent[]> {
  const { rows } = await db.raw(
    `SELECT ${COLUMNS} FROM stripe_outbox WHERE sent_at IS NOT NULL AND due_at <= clock_timestamp() ORDER BY id LIMIT ?`,
    [limit],
  )
  return rows.map(toEvent)
}

/** The bus has them, and the store's own hook is to be asked about them. */
export async function markSent(db: Database, sent: OutboxEvent[]): Promise<void> {
  if (sent.length > 0) {
    await db.raw(`UPDATE stripe_outbox SET sent_at = now() WHERE id = ANY(?)`, [idsOf(sent)])
  }
}

const LONGEST_PAUSE_SECONDS = 3600

/** The hook failed: it is asked again after 2 s, 4 s, 8 s … one hour. */
export async function postpone(db: Database, { id }: OutboxEvent): Promise<void> {
  await db.raw(
    `UPDATE stripe_outbox SET attempts = attempts + 1,
            due_at = clock_timestamp() + LEAST(2 ^ LEAST(attempts + 1, 20), ?) * interval '1 second' WHERE id = ?`,
    [LONGEST_PAUSE_SECONDS, id],
  )
}

export async function removeSent(db: Database, sent: OutboxEvent[]): Promise<void> {
  if (sent.length > 0) {
    await db.raw(`DELETE FROM stripe_outbox WHERE id = ANY(?)`, [idsOf(sent)])
  }
}

const COLUMNS = "id, event_id, name, payment_intent_id, order_id, reason"

function toEvent({ id, event_id, name, payment_intent_id, order_id, reason }: Record<string, string>) {
  return {
    id,
    name: `${EVENT_PREFIX}${name}`,
    data: { id: payment_intent_id, event_id, order_id, reason: impersonal(reason ?? null) },
  } as OutboxEvent
}

function idsOf(events: OutboxEvent[]): string[] {
  return events.map(({ id }) => id)
}

/** An error of Medusa's or of the store's may name the buyer. What it says is on the timeline. */
function impersonal(reason: string | null): string | null {
  return reason?.replace(GAVE_UP, "$1").replace(ADDRESSES, "…") ?? null
}

const GAVE_UP = /^(gave up after \d+ attempts): .*$/s

const ADDRESSES = /[^\s"'<>]+@[^\s"'<>]+/g
