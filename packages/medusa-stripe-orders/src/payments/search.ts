import { type Database, FACTS, type PaymentFacts, type PaymentRow } from "./payments"
import { type PaymentState, states } from "./states"
import { storableText } from "./storable"

/** A payment as people and programs outside see it: without the worker's bookkeeping, and without Stripe's secrets. */
export interface PaymentView
  extends Omit<
      PaymentRow,
      "account" | "claim" | "resume_to" | "resume_reason" | "snapshot" | "snapshot_at" | "snapshot_revision"
    >,
    Omit<PaymentFacts, (typeof SECRET)[number]> {
  /** the state in plain words */
  says: string
}

/** Not for people. */
const SECRET = ["client_secret_hash", "session_hash"] as const

const VIEW = [
  "id",
  "status",
  "reason",
  "order_id",
  "cart_id",
  "payment_id",
  "amount::float8 AS amount",
  ...FACTS.filter((fact) => fact !== "amount" && !(SECRET as readonly string[]).includes(fact)),
  "arrival::float8 AS arrival",
  "revision",
  "status_since",
  "due_at",
  "attempts",
  "last_error",
  "captured_at",
  "placed_at",
  "created_at",
  "updated_at",
].join(", ")

export async function viewPayments(db: Database, ids: string[]): Promise<PaymentView[]> {
  const { rows } = await db.raw(
    `SELECT ${VIEW} FROM stripe_payment WHERE id = ANY(?) AND deleted_at IS NULL`,
    [ids.map(storableText)],
  )
  return rows.map(withWords)
}

export interface PaymentSearch {
  states?: PaymentState[]
  /** an id, how an e-mail address begins, or how words of a name begin */
  q?: string
  orderIds?: string[]
  /** a part of the reason; upper and lower case are the same */
  reason?: string
  limit: number
  offset: number
}

/** What `q` may be; each has an index of its own. */
const MATCHES = [
  "id = :q",
  "order_id = :q",
  "order_id = ANY(:orderIds)",
  "cart_id = :q",
  "latest_charge = :q",
  "lower(email) LIKE :begins",
  "lower(name) LIKE :begins",
  "to_tsvector('simple', name) @@ to_tsquery('simple', :words)",
]

/** Each word of a name by its beginning. Where `q` has other signs, which the index leaves out, it is no name's words. */
function wordsOf(q: string): string | null {
  return /^[\p{L}\p{M}\p{N}\s.'’-]+$/u.test(q)
    ? q
        .trim()
        .split(/\s+/)
        .map((word) => `'${word.replaceAll("'", "''")}':*`)
        .join(" & ")
    : null
}

/**
 * The newest first. What `q` finds is looked up by each index before it is put in order: with all of it in one condition,
 * Postgres reads the payments from the newest on until it has found enough, all of them where few match.
 */
export async function searchPayments(
  db: Database,
  { states: wanted, q: typed, orderIds = [], reason, limit, offset }: PaymentSearch,
): Promise<{ stripe_payments: PaymentView[]; count: number }> {
  const q = typed && storableText(typed)
  const begins = `${q?.toLowerCase().replace(/[\\%_]/g, "\\$&")}%`
  const conditions = [
    ...(wanted ? ["status = ANY(:wanted)"] : []),
    ...(reason ? ["position(lower(:reason) IN lower(reason)) > 0"] : []),
  ]
  const all = ["SELECT id, arrival FROM stripe_payment WHERE deleted_at IS NULL", ...conditions].join(" AND ")
  const found = q ? MATCHES.map((matches) => `${all} AND ${matches}`).join(" UNION ") : all
  const values = {
    ...(wanted && { wanted }),
    ...(reason && { reason: storableText(reason) }),
    ...(q && { q, orderIds, begins, words: wordsOf(q) }),
  }
  const { rows } = await db.raw(
    `WITH page AS MATERIALIZED (
       SELECT id FROM (${found}) AS found ORDER BY arrival DESC LIMIT :limit OFFSET :offset)
     SELECT ${VIEW} FROM stripe_payment WHERE id IN (SELECT id FROM page) ORDER BY stripe_payment.arrival DESC`,
    { ...values, limit, offset },
  )
  const counted = await db.raw(`SELECT count(*)::int AS count FROM (${found}) AS found`, values)
  return { stripe_payments: rows.map(withWords), count: counted.rows[0].count }
}

function withWords(row: Omit<PaymentView, "says">): PaymentView {
  return { ...row, says: states[row.status]?.says ?? row.status }
}
