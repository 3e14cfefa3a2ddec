import type { Knex } from "@medusajs/framework/mikro-orm/knex"
import { typesThatTell } from "../events"
import { TOLD_VALUES, toldOf } from "../outbox/bus-events"
import { SETTLING } from "./buyer-answers"
import { AFTER_EVENT, afterEvent, INTERRUPTED, keepVerdict, mayBecome, type PaymentState } from "./states"
import { parseStorable, storableText } from "./storable"

/** One row of `stripe_payment`: a payment intent, and how far it is on its way to an order. */
export interface PaymentRow {
  /** the payment intent's */
  id: string
  status: PaymentState
  reason: string | null
  order_id: string | null
  cart_id: string | null
  /** Medusa's payment */
  payment_id: string | null
  /** the connected account, where there is one */
  account: string | null
  /** the order in which payments came: first come, first served */
  arrival: number
  /** how many events have said "look again" */
  revision: number
  due_at: Date
  status_since: Date
  claim: string | null
  attempts: number
  last_error: string | null
  /** a person decided that it becomes an order though it is not in stock */
  backorders: boolean
  captured_at: Date | null
  placed_at: Date | null
  /** the state of a person's verdict that an event has interrupted, and its reason: it stands when the order shows the money */
  resume_to: PaymentState | null
  resume_reason: string | null
  /** minor units: what the order comes to, where it was made of a part of what was paid for; a bigint, as text */
  order_amount: string | null
  /** the payment intent as Stripe last answered it, JSON */
  snapshot: string | null
  snapshot_at: Date | null
  /** the payment's revision when Stripe was asked */
  snapshot_revision: number | null
  /** its Checkout Session with the line items, JSON, where Stripe was asked for one and there is one */
  checkout: string | null
}

/** What a person searches by. Amounts are minor units. */
export interface PaymentFacts {
  amount?: number | null
  currency?: string | null
  email?: string | null
  name?: string | null
  /** when Stripe made the payment intent */
  created?: Date | null
  livemode?: boolean | null
  /** the connected account, where there is one */
  account?: string | null
  /** `pm_…` */
  payment_method?: string | null
  /** `card`, `sepa_debit`, …, where there is one only */
  payment_method_type?: string | null
  /** `ch_…` */
  latest_charge?: string | null
  /** of the secret that the buyer's browser has, by which a buyer asks about the payment */
  client_secret_hash?: string | null
  /** of the id of its Checkout Session, by which a buyer of Stripe's Checkout asks */
  session_hash?: string | null
}

/** Either the pool or a transaction; each statement below is atomic by itself. */
export type Database = Knex | Knex.Transaction

export type LineKind = "event" | "attempt" | "decision" | "stripe_call" | "action"

/** One line of a payment's timeline. */
export interface Line {
  kind: LineKind
  /** for a person */
  text: string
  /** ids: order, Stripe's request, idempotency key, … */
  data?: Record<string, unknown>
}

export const FACTS = [
  "amount",
  "currency",
  "email",
  "name",
  "created",
  "livemode",
  "account",
  "payment_method",
  "payment_method_type",
  "latest_charge",
  "client_secret_hash",
  "session_hash",
] as const satisfies (keyof PaymentFacts)[]

/** The same as columns of a recordset. */
export const FACT_COLUMNS = `amount bigint, currency text, email text, name text, created timestamptz, livemode boolean,
         account text, payment_method text, payment_method_type text, latest_charge text, client_secret_hash text, session_hash text`

/** A longer text has no place in an index of Postgres, and a name may have 5,000 characters in Stripe. */
const LONGEST_FACT = 500

/** The facts as they can be stored and indexed. */
export function searchable<T extends PaymentFacts>(facts: T): T {
  const texts = FACTS.flatMap((fact) => {
    const text = facts[fact]
    return typeof text === "string" ? [[fact, storableText(text.slice(0, LONGEST_FACT))]] : []
  })
  return { ...facts, ...Object.fromEntries(texts) }
}

/** How the attempts of a payment are counted on: a step that succeeded starts anew, one that failed adds one. */
export type Attempts = "reset" | "failed" | "kept"

/** What became of a payment in one step. */
export interface Outcome {
  id: string
  /** the claim under which the step worked: a later claim's payment is not touched */
  claim: string
  /** the payment's revision that the step saw: an event that came meanwhile makes the payment due again */
  revision: number
  to: PaymentState
  reason?: string | null
  /** until the payment is due again, ms; at once by default */
  due_in_ms?: number
  attempts?: Attempts
  error?: string
  lines: Line[]
  facts?: OutcomeFacts
}

/** Facts that a step found out; one that is left out stays as it was. */
export interface OutcomeFacts extends PaymentFacts {
  order_id?: string
  cart_id?: string | null
  payment_id?: string
  captured_at?: Date
  placed_at?: Date
  order_amount?: number | null
  snapshot?: string
  checkout?: string
}

/** An outcome under the claim of the payment itself. */
export function outcomeOf(
  { id, claim, revision }: Pick<PaymentRow, "id" | "revision"> & { claim: string },
  to: PaymentState,
  line: Line,
  more: Partial<Omit<Outcome, "id" | "claim" | "revision" | "to" | "lines">> = {},
): Outcome {
  return { id, claim, revision, to, lines: [line], ...more }
}

/** Says that payments have come to an outcome, to the processes whose buyers wait for it. */
export const OUTCOME_CHANNEL = "stripe_orders_outcome"

const OUTCOME_FACTS = [
  ...FACTS,
  "order_id",
  "cart_id",
  "payment_id",
  "captured_at",
  "placed_at",
  "order_amount",
] as const

const ORDER = "COALESCE(o.order_id, p.order_id)"

/** What events tell that came since a step began; null where none came. */
const LATER_NEWS = `(SELECT CASE WHEN bool_or(type = ANY(:canceled)) AND ${ORDER} IS NULL THEN 'canceled'
                             WHEN bool_or(type = ANY(:money) OR type = ANY(:canceled)) THEN 'money'
                             WHEN bool_or(type = ANY(:refund)) THEN 'refund'
                             WHEN bool_or(type = ANY(:paid)) THEN 'paid' ELSE 'progress' END
                   FROM stripe_event AS later
                  WHERE later.payment_intent_id = p.id AND later.revision > o.revision AND later.deleted_at IS NULL)`

/** The state that an outcome leads to: its own, or where an event takes it that came since the step began. */
const STATE = `CASE WHEN p.revision = o.revision THEN o."to"
                ELSE COALESCE(${afterEvent(LATER_NEWS, { status: 'o."to"', order_id: ORDER })}, o."to") END`

/** While what money did is still being shown on the order, the verdict that it interrupted is kept. */
const VERDICT = keepVerdict(
  STATE,
  { status: 'o."to"', reason: "o.reason" },
  (column) => `CASE WHEN ${STATE} IN ('money_moved', 'disputed', 'refunding_rest') THEN p.${column} END`,
)

/**
 * The one writer: rows, timeline lines and events for the store's bus of a whole batch, in one statement. Gives the claims
 * back.
 *
 * A payment that another claim holds by now, or whose state does not lead to the new one, is left as it is: the step came
 * too late. Returns the ids that were written.
 */
export async function applyOutcomes(db: Database, actor: string, outcomes: Outcome[]): Promise<Set<string>> {
  if (outcomes.length === 0) {
    return new Set()
  }
  const rows = outcomes.map(({ facts = {}, lines, ...outcome }) => ({
    ...searchable(facts),
    ...outcome,
    reason: textOrNull(outcome.reason),
    error: textOrNull(outcome.error),
    attempts: outcome.attempts ?? "reset",
    due_in_ms: outcome.due_in_ms ?? 0,
    allowed_from: mayBecome(outcome.to),
  }))
  const lines = outcomes.flatMap(({ id, lines }) =>
    lines.map((line, position) => ({ id, position, ...storableLine(line) })),
  )
  const { rows: written } = await db.raw(
    `WITH outcome AS (
       SELECT * FROM jsonb_to_recordset(CAST(:outcomes AS jsonb)) AS o(
         id text, claim text, revision int, "to" text, allowed_from jsonb, reason text, due_in_ms float8, attempts text,
         error text, ${FACT_COLUMNS}, order_id text, cart_id text, payment_id text,
         captured_at timestamptz, placed_at timestamptz, order_amount bigint, snapshot text, checkout text)),
     written AS (
       UPDATE stripe_payment AS p
          SET status = ${STATE},
              told = COALESCE(${toldOf(STATE, "o.reason")}, p.told),
              status_since = CASE WHEN p.status = o."to" THEN p.status_since ELSE clock_timestamp() END,
              reason = o.reason,
              ${VERDICT},
              due_at = clock_timestamp() +
                CASE WHEN p.revision > o.revision THEN interval '0' ELSE o.due_in_ms * interval '1 millisecond' END,
              claim = NULL, claimed_by = NULL, claimed_until = NULL,
              attempts = CASE o.attempts WHEN 'reset' THEN 0 WHEN 'failed' THEN p.attempts + 1 ELSE p.attempts END,
              last_error = CASE WHEN o.attempts = 'reset' THEN o.error ELSE COALESCE(o.error, p.last_error) END,
              snapshot = COALESCE(o.snapshot, p.snapshot), checkout = COALESCE(o.checkout, p.checkout),
              snapshot_at = CASE WHEN o.snapshot IS NULL THEN p.snapshot_at ELSE clock_timestamp() END,
              snapshot_revision = CASE WHEN o.snapshot IS NULL THEN p.snapshot_revision ELSE o.revision END,
              ${OUTCOME_FACTS.map((fact) => `${fact} = COALESCE(o.${fact}, p.${fact})`).join(", ")},
              updated_at = now()
         FROM outcome AS o JOIN stripe_payment AS before ON before.id = o.id
        WHERE p.id = o.id AND p.claim = o.claim AND jsonb_exists(o.allowed_from, p.status)
       RETURNING p.id, p.status, o.revision, p.order_id, p.reason, p.told,
                 before.status AS was, before.told AS was_told),
     events AS (
       UPDATE stripe_event AS e SET status = 'settled', settled_at = clock_timestamp(), updated_at = now()
         FROM written
        WHERE e.payment_intent_id = written.id AND e.revision <= written.revision AND e.status = 'pending'
          AND e.deleted_at IS NULL),
     lines AS (
       INSERT INTO stripe_timeline (payment_intent_id, kind, actor, status, text, data)
       SELECT line.id, line.kind, :actor, written.status, line.text, line.data
         FROM jsonb_to_recordset(CAST(:lines AS jsonb))
           AS line(id text, kind text, text text, data jsonb, position int)
         JOIN written ON written.id = line.id ORDER BY line.position),
     -- Postgres commits what notifies one after the other: once for a whole batch, and only where a buyer may wait for it.
     notified AS MATERIALIZED (
       SELECT pg_notify(:outcomeChannel, '') AS done
        WHERE EXISTS (SELECT FROM written WHERE was = ANY(:settling) AND status <> ALL(:settling))),
     outbox AS (
       INSERT INTO stripe_outbox (name, payment_intent_id, order_id, reason)
       SELECT split_part(told, ':', 1), id, order_id, reason FROM written
        WHERE status <> was AND told IS DISTINCT FROM was_told)
     SELECT id, (SELECT count(done) FROM notified) FROM written`,
    {
      outcomeChannel: OUTCOME_CHANNEL,
      settling: SETTLING,
      ...TOLD_VALUES,
      outcomes: JSON.stringify(rows),
      lines: JSON.stringify(lines),
      actor,
      afterEvent: JSON.stringify(AFTER_EVENT),
      money: typesThatTell("money"),
      canceled: typesThatTell("canceled"),
      refund: typesThatTell("refund"),
      paid: typesThatTell("paid"),
      interrupted: INTERRUPTED,
    },
  )
  return new Set(written.map(({ id }: { id: string }) => id))
}

/** Locks the rows until the transaction ends, in the order of their ids so that two batches can't deadlock. */
export async function lockPayments(trx: Knex.Transaction, ids: string[]): Promise<Map<string, PaymentRow>> {
  const { rows } = await trx.raw(`SELECT * FROM stripe_payment WHERE id = ANY(?) ORDER BY id FOR UPDATE`, [
    ids,
  ])
  return byId(rows)
}

export async function readPayments(db: Database, ids: string[]): Promise<Map<string, PaymentRow>> {
  const { rows } = await db.raw(`SELECT * FROM stripe_payment WHERE id = ANY(?) ORDER BY arrival`, [ids])
  return byId(rows)
}

export interface TimelineLine extends Line {
  at: Date
  /** who: Stripe, a worker, or a person's id */
  actor: string
  /** the payment's state after it */
  status: PaymentState
}

/** Everything that happened to a payment, oldest first. */
export async function readTimeline(db: Database, id: string): Promise<TimelineLine[]> {
  const { rows } = await db.raw(
    `SELECT at, kind, actor, status, text, data FROM stripe_timeline WHERE payment_intent_id = ? ORDER BY id`,
    [storableText(id)],
  )
  return rows
}

/** A stored event of Stripe's. */
export interface EventView {
  id: string
  type: string
  created: Date
  status: "pending" | "settled" | "ignored"
  /** how often Stripe delivered it; 0: it was fetched */
  deliveries: number
  /** as Stripe signed it, without the client's secret; null where it was pruned */
  payload: unknown
}

const MOST_EVENTS = 100

/** Stripe's events about a payment, the newest first. */
export async function readEvents(db: Database, id: string): Promise<EventView[]> {
  const { rows } = await db.raw(
    `SELECT id, type, created, status, deliveries, payload FROM stripe_event
      WHERE payment_intent_id = ? ORDER BY created DESC, created_at DESC, id LIMIT ?`,
    [storableText(id), MOST_EVENTS],
  )
  return rows.map((row: EventView) => ({ ...row, payload: row.payload && JSON.parse(String(row.payload)) }))
}

function byId(rows: PaymentRow[]): Map<string, PaymentRow> {
  return new Map(rows.map((row) => [row.id, row]))
}

function textOrNull(text: string | null | undefined): string | null {
  return text == null ? null : storableText(text)
}

function storableLine({ kind, text, data }: Line) {
  return { kind, text: storableText(text), data: data ? parseStorable(JSON.stringify(data)) : null }
}

/**
 * An error's message for logs, rows and people. Knex puts the whole statement before the message of Postgres, with
 * values where an escaped `?` stands; they may be a buyer's address or a secret of Stripe's.
 */
export function messageOf(error: Error): string {
  const isOfPostgres = "severity" in error
  return isOfPostgres
    ? error.message.slice(error.message.lastIndexOf(" - ") + 1).replace(/^- /, "")
    : error.message
}
