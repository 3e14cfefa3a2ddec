import type { IPaymentModuleService, MedusaContainer } from "@medusajs/framework/types"
import { Modules } from "@medusajs/framework/utils"
import type Stripe from "stripe"
import { newId } from "../ids"
import type { OrderDraft } from "../order-draft/order-draft"
import { amount, insertRows } from "./rows"
import type { OrderModuleInternals, PaymentModuleInternals, SharedTransaction } from "./shared-transaction"

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
  const known = await paymentsOfSessions(
    sql,
    drafts.flatMap(({ payment_session_id }) => payment_session_id ?? []),
  )
  const records = drafts.map((draft) =>
    newRecord(draft, provider_id, known.get(draft.payment_session_id ?? "")),
  )
  await insertRows(sql, "payment_collection", records.flatMap(newCollection))
  await updateCollections(sql, records)
  await insertRows(sql, "payment_session", records.flatMap(newSession))
  await updateSessions(sql, records)
  await insertRows(sql, "payment", records.flatMap(newPayment))
  await updatePayments(sql, records)
  await insertRows(sql, "capture", records.flatMap(newCapture))
  return new Map(records.map((record) => [record.draft.payment.id, record]))
}

/**
 * Writes a capture that happened in Stripe after the order was committed: the same rows as `recordPayments`
 * writes for a payment that came captured.
 */
export async function recordCapture(
  container: MedusaContainer,
  transaction: SharedTransaction,
  { payment_id, order_id }: { payment_id: string | null; order_id: string | null },
  intent: Stripe.PaymentIntent,
): Promise<void> {
  const { rows } = await transaction.sql.raw(
    `SELECT payment.id, payment.amount, payment.currency_code, payment.payment_collection_id
       FROM payment WHERE id = ? AND NOT EXISTS (SELECT 1 FROM capture WHERE payment_id = payment.id AND deleted_at IS NULL)
        FOR UPDATE`,
    [payment_id],
  )
  const [payment] = rows
  if (!payment) {
    return // captured by hand in the admin meanwhile, which wrote these rows itself
  }
  const { amount, currency_code, payment_collection_id } = payment
  const capture_id = newId("capt")
  const captured_at = new Date()
  const module: IPaymentModuleService = container.resolve(Modules.PAYMENT)
  const payments = module as unknown as PaymentModuleInternals
  const context = transaction.join(module)
  await payments.captureService_.create([{ id: capture_id, payment: payment.id, amount }], context)
  await payments.paymentService_.update([{ id: payment.id, captured_at, data: intentData(intent) }], context)
  await payments.paymentCollectionService_.update(
    [{ id: payment_collection_id, status: "completed", captured_amount: amount, completed_at: captured_at }],
    context,
  )
  const orders = container.resolve(Modules.ORDER)
  await (orders as unknown as OrderModuleInternals).addOrderTransactions_(
    [{ order_id, amount, currency_code, reference: "capture", reference_id: capture_id }],
    transaction.join(orders),
  )
}

/** A payment that Medusa has of a payment intent, with the order that it belongs to. */
export interface OrderedPayment {
  order_id: string
  /** Medusa's payments of the order */
  payments: { id: string; payment_intent_id: string | null; captured: boolean }[]
}

/** The orders that carts have become, by cart; with what Medusa knows of their payments. */
export async function ordersOfCarts(
  { sql }: { sql: Pick<SharedTransaction["sql"], "raw"> },
  cartIds: string[],
): Promise<Map<string, OrderedPayment>> {
  if (cartIds.length === 0) {
    return new Map()
  }
  const { rows } = await sql.raw(
    `SELECT order_cart.cart_id, order_cart.order_id,
            COALESCE(jsonb_agg(jsonb_build_object(
              'id', payment.id, 'payment_intent_id', payment.data->>'id',
              'captured', payment.captured_at IS NOT NULL OR EXISTS (
                SELECT 1 FROM capture WHERE capture.payment_id = payment.id AND capture.deleted_at IS NULL)
            )) FILTER (WHERE payment.id IS NOT NULL), '[]') AS payments
       FROM order_cart
       LEFT JOIN order_payment_collection AS collection
         ON collection.order_id = order_cart.order_id AND collection.deleted_at IS NULL
       LEFT JOIN payment
         ON payment.payment_collection_id = collection.payment_collection_id AND payment.deleted_at IS NULL
      WHERE order_cart.cart_id = ANY(?) AND order_cart.deleted_at IS NULL
      GROUP BY order_cart.cart_id, order_cart.order_id`,
    [cartIds],
  )
  return new Map((rows as (OrderedPayment & { cart_id: string })[]).map((row) => [row.cart_id, row]))
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
    ...amount("amount", draft.total),
    ...amount("authorized_amount", draft.total),
    ...amount("captured_amount", captured_at ? draft.total : 0),
    status: captured_at ? "completed" : "authorized",
    completed_at: captured_at,
  }
  return [row]
}

async function updateCollections(sql: SharedTransaction["sql"], records: RecordDraft[]): Promise<void> {
  const rows = records.flatMap(({ draft, payment_collection_id, captured_at }) => {
    const row = {
      id: payment_collection_id,
      ...amount("amount", draft.total),
      ...amount("captured_amount", captured_at ? draft.total : 0),
      status: captured_at ? "completed" : "authorized",
      completed_at: captured_at,
    }
    return draft.payment_collection_id ? [row] : []
  })
  if (rows.length > 0) {
    await sql.raw(
      `UPDATE payment_collection AS collection
          SET amount = r.amount, raw_amount = CAST(r.raw_amount AS jsonb),
              authorized_amount = r.amount, raw_authorized_amount = CAST(r.raw_amount AS jsonb),
              captured_amount = r.captured_amount, raw_captured_amount = CAST(r.raw_captured_amount AS jsonb),
              status = r.status, completed_at = r.completed_at, updated_at = now()
         FROM jsonb_to_recordset(CAST(? AS jsonb)) AS r(id text, amount numeric, raw_amount text,
              captured_amount numeric, raw_captured_amount text, status text, completed_at timestamptz)
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
    ...amount("amount", draft.total),
    status: "authorized",
    authorized_at: new Date(),
    data: JSON.stringify(intentData(draft.payment.intent)),
    context: "{}",
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
    ...amount("amount", draft.total),
    currency_code: draft.payment.currency,
    payment_session_id: session_id,
    payment_collection_id,
    provider_id: record.provider_id,
    data: JSON.stringify(intentData(draft.payment.intent)),
    captured_at: record.captured_at,
  }
  return [row]
}

/** Medusa had authorized these before; where Stripe has captured since, Medusa's admin must not offer it again. */
async function updatePayments(sql: SharedTransaction["sql"], records: RecordDraft[]): Promise<void> {
  const rows = records.flatMap(({ known, draft, captured_at }) =>
    known && captured_at ? [{ id: known.id, data: intentData(draft.payment.intent), captured_at }] : [],
  )
  if (rows.length > 0) {
    await sql.raw(
      `UPDATE payment SET captured_at = COALESCE(payment.captured_at, r.captured_at), data = r.data, updated_at = now()
         FROM jsonb_to_recordset(CAST(? AS jsonb)) AS r(id text, data jsonb, captured_at timestamptz)
        WHERE payment.id = r.id`,
      [JSON.stringify(rows)],
    )
  }
}

function newCapture({ draft, payment_id, capture_id, known }: RecordDraft) {
  return capture_id && !known?.capture_id
    ? [{ id: capture_id, payment_id, ...amount("amount", draft.total) }]
    : []
}

/** What Medusa's Stripe provider finds again when it refunds or captures; the client's secret isn't kept. */
function intentData({ client_secret, ...intent }: Stripe.PaymentIntent): Record<string, unknown> {
  return { ...intent }
}

/** A session may have been authorized by Medusa already, for instance by a complete-cart that then failed. */
async function paymentsOfSessions(
  sql: SharedTransaction["sql"],
  sessionIds: string[],
): Promise<Map<string, KnownPayment>> {
  if (sessionIds.length === 0) {
    return new Map()
  }
  const { rows } = await sql.raw(
    `SELECT payment.id, payment.payment_session_id, capture.id AS capture_id
       FROM payment LEFT JOIN capture ON capture.payment_id = payment.id AND capture.deleted_at IS NULL
      WHERE payment.payment_session_id = ANY(?) AND payment.deleted_at IS NULL`,
    [sessionIds],
  )
  return new Map(rows.map((row: { payment_session_id: string }) => [row.payment_session_id, row]))
}

/** The sessions whose money Medusa has given back meanwhile, as complete-cart does when it fails after it authorized. */
export async function sessionsGivenBack(
  { sql }: SharedTransaction,
  sessionIds: string[],
): Promise<Set<string>> {
  if (sessionIds.length === 0) {
    return new Set()
  }
  const { rows } = await sql.raw(
    `SELECT payment_session_id AS id FROM payment
      WHERE payment_session_id = ANY(?) AND deleted_at IS NULL
        AND (canceled_at IS NOT NULL OR EXISTS (
          SELECT 1 FROM refund WHERE refund.payment_id = payment.id AND refund.deleted_at IS NULL))`,
    [sessionIds],
  )
  return new Set(rows.map(({ id }: { id: string }) => id))
}
