import { actionsOf, type PaymentAction } from "./actions"
import { conditionOf, type PaymentKind } from "./kinds"
import { type Database, FACTS, type PaymentFacts, type PaymentRow } from "./payments"
import { type PaymentState, states } from "./states"
import { storableText } from "./storable"

/** A payment as people and programs outside see it: without the worker's bookkeeping, and without Stripe's secrets. */
export interface PaymentView
  extends Omit<
      PaymentRow,
      | "account"
      | "backorders"
      | "claim"
      | "resume_to"
      | "resume_reason"
      | "snapshot"
      | "snapshot_at"
      | "snapshot_revision"
    >,
    Omit<PaymentFacts, (typeof SECRET)[number]> {
  /** the state in plain words */
  says: string
  /** what a person may do about it */
  actions: PaymentAction[]
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
  kind?: PaymentKind
  /** an id, how an e-mail address begins, or how words of a name begin */
  q?: string
  orderIds?: string[]
  /** a part of the reason; upper and lower case are the same */
  reason?: string
  limit: number
  /** the `next` of the page before */
  before?: number
}

export interface PaymentPage {
  stripe_payments: PaymentView[]
  /** how many there are on all pages, up to `MOST_COUNTED` */
  count: number
  /** whether there are more than `count` */
  count_is_capped: boolean
  /** `before` of the page that follows; null on the last */
  next: number | null
}

/** To count a million rows takes a second, and tells a person no more than this. */
export const MOST_COUNTED = 1_000

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
  { states: wanted, kind, q: typed, orderIds = [], reason, limit, before }: PaymentSearch,
): Promise<PaymentPage> {
  const q = typed && storableText(typed)
  const begins = `${q?.toLowerCase().replace(/[\\%_]/g, "\\$&")}%`
  const conditions = [
    ...(wanted ? ["status = ANY(:wanted)"] : []),
    ...(kind ? [conditionOf(kind)] : []),
    ...(reason ? ["position(lower(:reason) IN lower(reason)) > 0"] : []),
  ]
  const all = ["SELECT id, arrival FROM stripe_payment WHERE deleted_at IS NULL", ...conditions].join(" AND ")
  const found = q ? MATCHES.map((matches) => `${all} AND ${matches}`).join(" UNION ") : all
  const values = {
    ...(wanted && { wanted }),
    ...(reason && { reason: storableText(reason) }),
    ...(q && { q, orderIds, begins, words: wordsOf(q) }),
  }
  const older = before === undefined ? "" : "WHERE arrival < :before"
  const { rows } = await db.raw(
    `WITH page AS MATERIALIZED (
       SELECT id FROM (${found}) AS found ${older} ORDER BY arrival DESC LIMIT :limit)
     SELECT ${VIEW} FROM stripe_payment WHERE id IN (SELECT id FROM page) ORDER BY stripe_payment.arrival DESC`,
    { ...values, limit: limit + 1, ...(before !== undefined && { before }) },
  )
  const counted = await db.raw(
    `SELECT count(*)::int AS count FROM (SELECT 1 FROM (${found}) AS found LIMIT :most) AS counted`,
    { ...values, most: MOST_COUNTED + 1 },
  )
  const { count } = counted.rows[0]
  const page = rows.slice(0, limit).map(withWords)
  return {
    stripe_payments: page,
    count: Math.min(count, MOST_COUNTED),
    count_is_capped: count > MOST_COUNTED,
    next: rows.length > limit ? (page.at(-1)?.arrival ?? null) : null,
  }
}

function withWords(row: Omit<PaymentView, "says" | "actions">): PaymentView {
  return { ...row, says: states[row.status]?.says ?? row.status, actions: actionsOf(row) }
}
