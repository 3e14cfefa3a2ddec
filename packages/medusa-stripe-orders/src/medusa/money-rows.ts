import type { MedusaContainer } from "@medusajs/framework/types"
import { Modules } from "@medusajs/framework/utils"
import type Stripe from "stripe"
import { newId } from "../ids"
import { fromMinorUnits, toMinorUnits } from "../order-draft/amounts"
import { type MedusaRefund, matchRefunds, type StripeRefund } from "./match-refunds"
import { insertRows, type Row } from "./rows"
import type { OrderModuleInternals, SharedTransaction } from "./shared-transaction"

/** A payment of an order, as Stripe has it. */
export interface StripeMoney {
  /** Medusa's */
  payment_id: string | null
  order_id: string | null
  intent: Stripe.PaymentIntent
  /** all of them; left out where they were not asked for */
  refunds?: Stripe.Refund[]
  /** Cart completion died between its capture and the order's transaction of it, which is written too. */
  isUntold?: boolean
}

/** What was written; amounts are minor units. */
export interface RecordedMoney {
  captured: number
  refunded: StripeRefund[]
  failed: StripeRefund[]
  pending: StripeRefund[]
}

/**
 * Makes Medusa's rows agree with Stripe for payments of orders that exist: captures and refunds that the orders don't show
 * yet are written as Medusa's own flows write them, and refunds that failed in Stripe are taken off. Returns what was
 * written, by Medusa's payment.
 */
export async function recordMoney(
  container: MedusaContainer,
  transaction: SharedTransaction,
  moneys: StripeMoney[],
): Promise<Map<string, RecordedMoney>> {
  const payments = await lockedPayments(transaction, moneys)
  const changes = payments.map((payment) => {
    const money = moneys.find(({ payment_id }) => payment_id === payment.id) as StripeMoney
    return changeOf(payment, money)
  })
  const { sql } = transaction
  const captures = changes.flatMap(({ capture }) => capture ?? [])
  const refunds = changes.flatMap(({ refunds }) => refunds)
  const removed = changes.flatMap(({ removed }) => removed)
  await insertRows(sql, "capture", captures)
  await insertRows(sql, "refund", refunds)
  await nameRefunds(
    transaction,
    changes.flatMap(({ found }) => found),
  )
  await removeRefunds(transaction, removed)
  await updatePayments(transaction, changes)
  await refreshCollections(
    transaction,
    payments.map(({ payment_collection_id }) => payment_collection_id),
  )
  await addOrderTransactions(
    container,
    transaction,
    [
      ...[...changes.flatMap(untoldCaptures), ...captures].map((row) => ({ ...row, reference: "capture" })),
      ...changes.flatMap(transactionsOfRefunds),
      ...removed.map((row) => ({ ...row, reference: "refund" })),
    ],
    payments,
  )
  return new Map(changes.map(({ payment, recorded }) => [payment.id, recorded]))
}

interface MedusaPayment {
  id: string
  /** major units, as all amounts of Medusa */
  amount: number
  currency_code: string
  payment_collection_id: string
  order_id: string
  version: number
  captured: number
  /** captures that the order's transactions lack */
  untold: { id: string; amount: number }[]
  /** what the order's transactions say was refunded of this payment */
  transacted: number
  refunds: (Omit<MedusaRefund, "amount"> & { amount: number })[]
}

/** Locked first and read afterwards: a capture or refund that the admin makes meanwhile is seen. */
async function lockedPayments({ sql }: SharedTransaction, moneys: StripeMoney[]): Promise<MedusaPayment[]> {
  const ids = moneys.map(({ payment_id }) => payment_id ?? "")
  await sql.raw(`SELECT id FROM payment WHERE id = ANY(?) ORDER BY id FOR UPDATE`, [ids])
  const { rows } = await sql.raw(
    `SELECT payment.id, payment.amount::float8 AS amount, payment.currency_code, payment.payment_collection_id,
            "order".id AS order_id, "order".version,
            (SELECT COALESCE(sum(amount), 0) FROM capture WHERE payment_id = payment.id AND deleted_at IS NULL)::float8
              AS captured,
            COALESCE((SELECT jsonb_agg(jsonb_build_object('id', capture.id, 'amount', capture.amount)) FROM capture
                       WHERE payment_id = payment.id AND deleted_at IS NULL AND NOT EXISTS (
                         SELECT 1 FROM order_transaction AS told WHERE told.order_id = "order".id
                            AND told.reference_id = capture.id AND told.deleted_at IS NULL)), '[]') AS untold,
            (SELECT COALESCE(-sum(amount), 0) FROM order_transaction AS done
              WHERE done.order_id = "order".id AND done.reference = 'refund' AND done.deleted_at IS NULL
                AND (done.reference_id = payment.id
                     OR done.reference_id IN (SELECT id FROM refund WHERE payment_id = payment.id)))::float8 AS transacted,
            COALESCE((SELECT jsonb_agg(jsonb_build_object('id', refund.id, 'amount', refund.amount,
                        'stripe_refund_id', refund.metadata->>'stripe_refund_id',
                        'is_removed', refund.deleted_at IS NOT NULL) ORDER BY refund.created_at)
                        FROM refund WHERE payment_id = payment.id), '[]') AS refunds
       FROM unnest(CAST(? AS text[]), CAST(? AS text[])) AS money(payment_id, order_id)
       JOIN payment ON payment.id = money.payment_id
       JOIN "order" ON "order".id = money.order_id
      ORDER BY payment.id`,
    [ids, moneys.map(({ order_id }) => order_id ?? "")],
  )
  return rows
}

interface Change {
  payment: MedusaPayment
  money: StripeMoney
  capture: (Row & { id: string; payment_id: string; amount: number }) | null
  refunds: (Row & { id: string; payment_id: string; amount: number })[]
  found: { id: string; stripe_refund_id: string }[]
  removed: { id: string; payment_id: string; amount: number }[]
  recorded: RecordedMoney
}

function changeOf(payment: MedusaPayment, money: StripeMoney): Change {
  const { id: payment_id, currency_code } = payment
  const minor = (amount: number) => toMinorUnits(amount, currency_code)
  const { amount_received } = money.intent
  // The order's amount is not rounded, and is what a whole capture is written with.
  const received =
    amount_received === minor(payment.amount)
      ? payment.amount
      : fromMinorUnits(amount_received, currency_code)
  const uncaptured = amount_received - minor(payment.captured)
  // Medusa records a whole capture for an automatic one, also of a lower amount. Before the capture has succeeded, Medusa's
  // row may be there first: the admin's capture writes it, then asks Stripe.
  const isWrong = uncaptured > 0 || (uncaptured < 0 && money.intent.status === "succeeded")
  const match = matchRefunds(
    payment.refunds.map((refund) => ({ ...refund, amount: minor(refund.amount) })),
    // An authorization that is let go is a refund in Stripe too, of money that was never received.
    amount_received > 0 ? (money.refunds ?? []) : [],
  )
  const majorOf = (id: string) => payment.refunds.find((refund) => refund.id === id)?.amount ?? 0
  return {
    payment,
    money,
    capture: isWrong ? { id: newId("capt"), payment_id, amount: received - payment.captured } : null,
    refunds: match.missing.map(({ id: stripe_refund_id, amount }) => ({
      id: newId("ref"),
      payment_id,
      amount: fromMinorUnits(amount, currency_code),
      note: "Made in Stripe",
      metadata: { stripe_refund_id },
    })),
    found: match.found,
    removed: match.failed.map(({ refund: { id } }) => ({ id, payment_id, amount: majorOf(id) })),
    recorded: {
      captured: Math.max(0, uncaptured),
      refunded: match.missing,
      failed: match.failed.map(({ stripe }) => stripe),
      pending: match.pending,
    },
  }
}

/** Only where its writer is known to be dead: the admin's capture writes its row first, and the transaction after it. */
function untoldCaptures({ payment, money }: Change) {
  return money.isUntold ? payment.untold.map((capture) => ({ ...capture, payment_id: payment.id })) : []
}

/**
 * Medusa's cancellation of an order writes the transaction of its refund, though Stripe refused the refund: that one is not
 * written again when the money goes back in the end.
 */
function transactionsOfRefunds({ payment, refunds }: Change) {
  const live = payment.refunds.filter(({ is_removed }) => !is_removed)
  let ahead = payment.transacted - live.reduce((sum, { amount }) => sum + amount, 0)
  return refunds.flatMap((row) => {
    const covered = Math.min(row.amount, Math.max(0, ahead))
    ahead -= covered
    return covered < row.amount ? [{ ...row, reference: "refund", amount: covered - row.amount }] : []
  })
}

async function nameRefunds({ sql }: SharedTransaction, found: Change["found"]): Promise<void> {
  if (found.length > 0) {
    await sql.raw(
      `UPDATE refund SET metadata = COALESCE(refund.metadata, '{}') || jsonb_build_object('stripe_refund_id', r.stripe_refund_id),
              updated_at = now()
         FROM jsonb_to_recordset(CAST(? AS jsonb)) AS r(id text, stripe_refund_id text) WHERE refund.id = r.id`,
      [JSON.stringify(found)],
    )
  }
}

async function removeRefunds({ sql }: SharedTransaction, removed: Change["removed"]): Promise<void> {
  if (removed.length > 0) {
    await sql.raw(`UPDATE refund SET deleted_at = now(), updated_at = now() WHERE id = ANY(?)`, [
      removed.map(({ id }) => id),
    ])
  }
}

/** Where all is captured, Medusa's admin must not offer it again. */
async function updatePayments({ sql }: SharedTransaction, changes: Change[]): Promise<void> {
  const rows = changes.map(({ payment, money: { intent } }) => ({
    id: payment.id,
    data: intentData(intent),
    captured_at: intent.status === "succeeded" && intent.amount_received >= intent.amount ? new Date() : null,
  }))
  await markCaptured(sql, rows)
}

/** Sets `captured_at` where it is given, and what Medusa's provider finds again. */
export async function markCaptured(
  sql: SharedTransaction["sql"],
  rows: { id: string; data: Record<string, unknown>; captured_at: Date | null }[],
): Promise<void> {
  if (rows.length > 0) {
    await sql.raw(
      `UPDATE payment SET captured_at = COALESCE(payment.captured_at, r.captured_at), data = r.data, updated_at = now()
         FROM jsonb_to_recordset(CAST(? AS jsonb)) AS r(id text, data jsonb, captured_at timestamptz)
        WHERE payment.id = r.id`,
      [JSON.stringify(rows)],
    )
  }
}

/** What Medusa's Stripe provider finds again when it refunds or captures; the client's secret isn't kept. */
export function intentData({ client_secret, ...intent }: Stripe.PaymentIntent): Record<string, unknown> {
  return { ...intent }
}

/** The sums of collections, from their sessions, captures and refunds, as the Payment Module reckons them. */
async function refreshCollections({ sql }: SharedTransaction, ids: string[]): Promise<void> {
  const raw = (value: string) => `jsonb_build_object('value', trim_scale(${value})::text, 'precision', 20)`
  await sql.raw(
    `UPDATE payment_collection AS collection
        SET authorized_amount = sums.authorized, raw_authorized_amount = ${raw("sums.authorized")},
            captured_amount = sums.captured, raw_captured_amount = ${raw("sums.captured")},
            refunded_amount = sums.refunded, raw_refunded_amount = ${raw("sums.refunded")},
            status = CASE WHEN sums.captured >= collection.amount THEN 'completed'
                          WHEN sums.authorized >= collection.amount THEN 'authorized'
                          WHEN sums.authorized > 0 THEN 'partially_authorized' ELSE collection.status END,
            completed_at = CASE WHEN sums.captured >= collection.amount
                                THEN COALESCE(collection.completed_at, now()) ELSE collection.completed_at END,
            updated_at = now()
       FROM (SELECT id,
                    (SELECT COALESCE(sum(session.amount), 0) FROM payment_session AS session
                      WHERE session.payment_collection_id = c.id AND session.status = 'authorized'
                        AND session.deleted_at IS NULL) AS authorized,
                    (SELECT COALESCE(sum(capture.amount), 0) FROM capture JOIN payment ON payment.id = capture.payment_id
                      WHERE payment.payment_collection_id = c.id AND capture.deleted_at IS NULL
                        AND payment.deleted_at IS NULL) AS captured,
                    (SELECT COALESCE(sum(refund.amount), 0) FROM refund JOIN payment ON payment.id = refund.payment_id
                      WHERE payment.payment_collection_id = c.id AND refund.deleted_at IS NULL
                        AND payment.deleted_at IS NULL) AS refunded
               FROM payment_collection AS c WHERE c.id = ANY(?)) AS sums
      WHERE collection.id = sums.id`,
    [ids],
  )
}

/** The Order Module adds them to the orders' summaries, of one version at a time. */
async function addOrderTransactions(
  container: MedusaContainer,
  transaction: SharedTransaction,
  rows: { id: string; payment_id: string; amount: number; reference: string }[],
  payments: MedusaPayment[],
): Promise<void> {
  const orders = container.resolve(Modules.ORDER)
  const internals = orders as unknown as OrderModuleInternals
  const paid = new Map(payments.map((payment) => [payment.id, payment]))
  for (const version of new Set(payments.map((payment) => payment.version))) {
    const transactions = rows.flatMap(({ id, payment_id, amount, reference }) => {
      const { order_id, currency_code, ...payment } = paid.get(payment_id) as MedusaPayment
      return payment.version === version
        ? [{ id: newId("ordtrx"), order_id, amount, currency_code, reference, reference_id: id }]
        : []
    })
    if (transactions.length > 0) {
      await internals.addOrderTransactions_(transactions, transaction.join(orders))
    }
  }
}
