import { EVENT_PREFIX } from "./bus-events"
import type { Database } from "./payments"

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

export async function readOutbox(db: Database, limit: number): Promise<OutboxEvent[]> {
  const { rows } = await db.raw(
    `SELECT id, event_id, name, payment_intent_id, order_id, reason FROM stripe_outbox ORDER BY id LIMIT ?`,
    [limit],
  )
  return rows.map(({ id, event_id, name, payment_intent_id, order_id, reason }: Record<string, string>) => ({
    id,
    name: `${EVENT_PREFIX}${name}`,
    data: { id: payment_intent_id, event_id, order_id, reason: impersonal(reason ?? null) },
  }))
}

export async function removeSent(db: Database, sent: OutboxEvent[]): Promise<void> {
  await db.raw(`DELETE FROM stripe_outbox WHERE id = ANY(?)`, [sent.map(({ id }) => id)])
}

/** An error of Medusa's or of the store's may name the buyer. What it says is on the timeline. */
function impersonal(reason: string | null): string | null {
  return reason?.replace(GAVE_UP, "$1").replace(ADDRESSES, "…") ?? null
}

const GAVE_UP = /^(gave up after \d+ attempts): .*$/s

const ADDRESSES = /[^\s"'<>]+@[^\s"'<>]+/g
