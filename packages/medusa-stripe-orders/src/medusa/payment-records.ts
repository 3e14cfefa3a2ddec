import { newId } from "../ids"
import type { OrderDraft } from "../order-draft/order-draft"
import { intentData, markCaptured } from "./money-rows"
import { amount, insertRows } from "./rows"
import type { SharedTransaction } from "./shared-transaction"

/** The payment as the order will show it. `capture_id` is null while it is only authorized. */
export interface PaymentRecord {
  payment_id: string
  payment_collection_id: string
  capture_id: string | null
}

/**
 * Writes the rows that Medusa's own payment calls would write (collection, session, payment, capture), without
 * asking the provider: Stripe has told us what happened. So refunds, captures and cancellations work in the
 * admin as for any order, and the order is paid from the moment it exists.
 */
export async function recordPayments(
  { sql }: SharedTransaction,
  drafts: OrderDraft[],
  provider_id: string,
): Promise<Map<string, PaymentRecord>> {
  const sessions = await readSessions(
    sql,
    drafts.flatMap(({ payment_session_id }) => payment_session_id ?? []),
  )
  const records = drafts.map((draft) => {
    const session = sessions.get(draft.payment_session_id ?? "")
    return newRecord(draft, session?.provider_id ?? provider_id, session?.payment ?? undefined)
  })
  await insertRows(sql, "payment_collection", records.flatMap(newCollection))
  await updateCollections(
    sql,
    records.flatMap(({ draft, payment_collection_id: id, captured_at }) =>
      draft.payment_collection_id ? [{ id, total: draft.total, captured_at }] : [],
    ),
  )
  await insertRows(sql, "payment_session", records.flatMap(newSession))
  await updateSessions(sql, records)
  await insertRows(sql, "payment", records.flatMap(newPayment))
  await markCaptured(
    sql,
    records.flatMap(({ known, draft, captured_at }) =>
      known && captured_at ? [{ id: known.id, data: intentData(draft.payment.intent), captured_at }] : [],
    ),
  )
  await insertRows(sql, "capture", records.flatMap(newCapture))
  return new Map(records.map((record) => [record.draft.payment.id, record]))
}

interface KnownPayment {
  id: string
  capture_id: string | null
}

interface RecordDraft extends PaymentRecord {
  draft: OrderDraft
  session_id: string
  provider_id: string
  captured_at: Date | null
  known: KnownPayment | undefined
}

function newRecord(draft: OrderDraft, provider_id: string, known: KnownPayment | undefined): RecordDraft {
  const captured = draft.payment.status === "succeeded"
  return {
    draft,
    provider_id,
    known,
    payment_collection_id: draft.payment_collection_id ?? newId("pay_col"),
    session_id: draft.payment_session_id ?? newId("payses"),
    payment_id: known?.id ?? newId("pay"),
    capture_id: known?.capture_id ?? (captured ? newId("capt") : null),
    captured_at: captured ? new Date() : null,
  }
}

function newCollection({ draft, payment_collection_id, captured_at }: RecordDraft) {
  if (draft.payment_collection_id) {
    return []
  }
  const row = {
    id: payment_collection_id,
    currency_code: draft.payment.currency,
    amount: draft.total,
    authorized_amount: draft.total,
    captured_amount: captured_at ? draft.total : 0,
    refunded_amount: 0,
    status: captured_at ? "completed" : "authorized",
    completed_at: captured_at,
  }
  return [row]
}

async function updateCollections(
  sql: SharedTransaction["sql"],
  collections: { id: string; total: number; captured_at: Date | null }[],
): Promise<void> {
  const rows = collections.map(({ id, total, captured_at }) => ({
    id,
    ...amount("amount", total),
    ...amount("captured_amount", captured_at ? total : 0),
    ...amount("refunded_amount", 0),
    status: captured_at ? "completed" : "authorized",
    completed_at: captured_at,
  }))
  if (rows.length > 0) {
    await sql.raw(
      `UPDATE payment_collection AS collection
          SET amount = r.amount, raw_amount = CAST(r.raw_amount AS jsonb),
              authorized_amount = r.amount, raw_authorized_amount = CAST(r.raw_amount AS jsonb),
              captured_amount = r.captured_amount, raw_captured_amount = CAST(r.raw_captured_amount AS jsonb),
              refunded_amount = COALESCE(collection.refunded_amount, 0),
              raw_refunded_amount = COALESCE(collection.raw_refunded_amount, CAST(r.raw_refunded_amount AS jsonb)),
              status = r.status, completed_at = r.completed_at, updated_at = now()
         FROM jsonb_to_recordset(CAST(? AS jsonb)) AS r(id text, amount numeric, raw_amount text,
              captured_amount numeric, raw_captured_amount text, raw_refunded_amount text, status text,
              completed_at timestamptz)
        WHERE collection.id = r.id`,
      [JSON.stringify(rows)],
    )
  }
}

function newSession({ draft, session_id, payment_collection_id, provider_id }: RecordDraft) {
  if (draft.payment_session_id) {
    return []
  }
  const row = {
    id: session_id,
    payment_collection_id,
    provider_id,
    currency_code: draft.payment.currency,
    amount: draft.total,
    status: "authorized",
    authorized_at: new Date(),
    data: intentData(draft.payment.intent),
    context: {},
  }
  return [row]
}

async function updateSessions(sql: SharedTransaction["sql"], records: RecordDraft[]): Promise<void> {
  const rows = records.flatMap(({ draft, session_id }) =>
    draft.payment_session_id ? [{ id: session_id, data: intentData(draft.payment.intent) }] : [],
  )
  if (rows.length > 0) {
    await sql.raw(
      `UPDATE payment_session AS session
          SET status = 'authorized', authorized_at = COALESCE(session.authorized_at, now()), data = r.data,
              updated_at = now()
         FROM jsonb_to_recordset(CAST(? AS jsonb)) AS r(id text, data jsonb) WHERE session.id = r.id`,
      [JSON.stringify(rows)],
    )
  }
}

function newPayment({ draft, payment_id, payment_collection_id, session_id, ...record }: RecordDraft) {
  if (record.known) {
    return []
  }
  const row = {
    id: payment_id,
    amount: draft.total,
    currency_code: draft.payment.currency,
    payment_session_id: session_id,
    payment_collection_id,
    provider_id: record.provider_id,
    data: intentData(draft.payment.intent),
    captured_at: record.captured_at,
  }
  return [row]
}

function newCapture({ draft, payment_id, capture_id, known }: RecordDraft) {
  return capture_id && !known?.capture_id ? [{ id: capture_id, payment_id, amount: draft.total }] : []
}

interface KnownSession {
  id: string
  /** The shop's own of the session: it may have several of Stripe, one for each method. */
  provider_id: string
  /** Medusa may have authorized the session already, for instance by a complete-cart that then failed. */
  payment: KnownPayment | null
}

async function readSessions(
  sql: SharedTransaction["sql"],
  sessionIds: string[],
): Promise<Map<string, KnownSession>> {
  if (sessionIds.length === 0) {
    return new Map()
  }
  const { rows } = await sql.raw(
    `SELECT session.id, session.provider_id, CASE WHEN payment.id IS NOT NULL
              THEN jsonb_build_object('id', payment.id, 'capture_id', capture.id) END AS payment
       FROM payment_session AS session
       LEFT JOIN payment ON payment.payment_session_id = session.id AND payment.deleted_at IS NULL
       LEFT JOIN capture ON capture.payment_id = payment.id AND capture.deleted_at IS NULL
      WHERE session.id = ANY(?)`,
    [sessionIds],
  )
  return new Map((rows as KnownSession[]).map((session) => [session.id, session]))
}
