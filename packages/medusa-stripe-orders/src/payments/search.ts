import { type Database, FACTS, type PaymentFacts, type PaymentRow } from "./payments"
import { type PaymentState, states } from "./states"

/** A payment as people and programs outside see it: without the worker's bookkeeping, and without Stripe's secrets. */
export interface PaymentView
  extends Omit<PaymentRow, "claim" | "snapshot" | "snapshot_at" | "snapshot_revision">,
    PaymentFacts {
  /** the state in plain words */
  says: string
}

const VIEW = [
  "id",
  "status",
  "reason",
  "order_id",
  "cart_id",
  "payment_id",
  "amount::float8 AS amount",
  ...FACTS.filter((fact) => fact !== "amount"),
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
    [ids],
  )
  return rows.map(withWords)
}

export interface PaymentSearch {
  states?: PaymentState[]
  /** an id, or how an e-mail address or a name begins */
  q?: string
  orderIds?: string[]
  limit: number
  offset: number
}

/** The newest first. Each kind of `q` has its index. */
export async function searchPayments(
  db: Database,
  { states: wanted, q, orderIds = [], limit, offset }: PaymentSearch,
): Promise<{ stripe_payments: PaymentView[]; count: number }> {
  const begins = `${q?.toLowerCase().replace(/[\\%_]/g, "\\$&")}%`
  const conditions = [
    "deleted_at IS NULL",
    ...(wanted ? ["status = ANY(:wanted)"] : []),
    ...(q
      ? [
          `(id = :q OR order_id = :q OR order_id = ANY(:orderIds) OR cart_id = :q OR latest_charge = :q
            OR lower(email) LIKE :begins OR lower(name) LIKE :begins)`,
        ]
      : []),
  ].join(" AND ")
  const values = { ...(wanted && { wanted }), ...(q && { q, orderIds, begins }) }
  const { rows } = await db.raw(
    `SELECT ${VIEW} FROM stripe_payment WHERE ${conditions} ORDER BY stripe_payment.arrival DESC LIMIT :limit OFFSET :offset`,
    { ...values, limit, offset },
  )
  const counted = await db.raw(
    `SELECT count(*)::int AS count FROM stripe_payment WHERE ${conditions}`,
    values,
  )
  return { stripe_payments: rows.map(withWords), count: counted.rows[0].count }
}

function withWords(row: Omit<PaymentView, "says">): PaymentView {
  return { ...row, says: states[row.status]?.says ?? row.status }
}
