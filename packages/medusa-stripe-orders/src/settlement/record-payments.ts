import type { IPaymentModuleService, MedusaContainer } from "@medusajs/framework/types"
import { generateEntityId, Modules } from "@medusajs/framework/utils"
import type Stripe from "stripe"
import type { OrderContent } from "../content/content"
import type { OrderModuleInternals, PaymentModuleInternals, SharedTransaction } from "./shared-transaction"

/** The payment as the order will show it. `capture_id` is null while it is only authorised. */
export interface RecordedPayment {
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
  container: MedusaContainer,
  transaction: SharedTransaction,
  contents: OrderContent[],
  provider_id: string,
): Promise<Map<string, RecordedPayment>> {
  const module: IPaymentModuleService = container.resolve(Modules.PAYMENT)
  const payments = module as unknown as PaymentModuleInternals
  const context = transaction.join(module)
  const drafts = contents.map((content) => draftOf(content, provider_id))
  const existing = await existingPayments(transaction, drafts)

  const [newCollections, oldCollections] = split(drafts, ({ content }) => !content.payment_collection_id)
  const [newSessions, oldSessions] = split(drafts, ({ content }) => !content.payment_session_id)
  await createAll(payments.paymentCollectionService_, newCollections.map(collectionRow))
  await payments.paymentCollectionService_.update(oldCollections.map(collectionRow), context)
  await createAll(payments.paymentSessionService_, newSessions.map(sessionRow))
  await payments.paymentSessionService_.update(oldSessions.map(sessionUpdate), context)
  for (const draft of drafts) {
    const known = existing.get(draft.session_id)
    draft.payment_id = known?.id ?? draft.payment_id
    draft.capture_id = known?.capture_id ?? draft.capture_id
  }
  const [, fresh] = split(drafts, ({ session_id }) => existing.has(session_id))
  await createAll(payments.paymentService_, fresh.map(paymentRow))
  const uncaptured = drafts.filter(({ session_id }) => !existing.get(session_id)?.capture_id)
  await createAll(payments.captureService_, uncaptured.flatMap(captureRow))
  return new Map(drafts.map((draft) => [draft.content.payment.id, draft]))

  async function createAll(
    service: PaymentModuleInternals["paymentService_"],
    rows: unknown[],
  ): Promise<void> {
    if (rows.length > 0) {
      await service.create(rows, context)
    }
  }
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
       FROM payment WHERE id = ? AND NOT EXISTS (SELECT 1 FROM capture WHERE payment_id = payment.id)
        FOR UPDATE`,
    [payment_id],
  )
  const [payment] = rows
  if (!payment) {
    return // captured by hand in the admin meanwhile, which wrote these rows itself
  }
  const { amount, currency_code, payment_collection_id } = payment
  const capture_id = generateEntityId(undefined, "capt")
  const captured_at = new Date()
  const module = container.resolve(Modules.PAYMENT)
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

interface Draft extends RecordedPayment {
  content: OrderContent
  session_id: string
  provider_id: string
  captured_at: Date | null
}

function draftOf(content: OrderContent, provider_id: string): Draft {
  const captured = content.payment.status === "succeeded"
  return {
    content,
    provider_id,
    payment_collection_id: content.payment_collection_id ?? generateEntityId(undefined, "pay_col"),
    session_id: content.payment_session_id ?? generateEntityId(undefined, "payses"),
    payment_id: generateEntityId(undefined, "pay"),
    capture_id: captured ? generateEntityId(undefined, "capt") : null,
    captured_at: captured ? new Date() : null,
  }
}

function collectionRow({ content, payment_collection_id, captured_at }: Draft) {
  return {
    id: payment_collection_id,
    currency_code: content.payment.currency,
    amount: content.total,
    authorized_amount: content.total,
    captured_amount: captured_at ? content.total : 0,
    status: captured_at ? "completed" : "authorized",
    completed_at: captured_at,
  }
}

function sessionRow({ content, session_id, payment_collection_id, provider_id }: Draft) {
  return {
    id: session_id,
    payment_collection_id,
    provider_id,
    currency_code: content.payment.currency,
    amount: content.total,
    status: "authorized",
    authorized_at: new Date(),
    data: intentData(content.payment.intent),
    context: {},
  }
}

function sessionUpdate({ content, session_id }: Draft) {
  return {
    id: session_id,
    status: "authorized",
    authorized_at: new Date(),
    data: intentData(content.payment.intent),
  }
}

function paymentRow({
  content,
  payment_id,
  payment_collection_id,
  session_id,
  provider_id,
  captured_at,
}: Draft) {
  return {
    id: payment_id,
    amount: content.total,
    currency_code: content.payment.currency,
    payment_session: session_id,
    payment_collection_id,
    provider_id,
    data: intentData(content.payment.intent),
    captured_at,
  }
}

function captureRow({ content, payment_id, capture_id }: Draft) {
  return capture_id ? [{ id: capture_id, payment: payment_id, amount: content.total }] : []
}

/** What Medusa's Stripe provider finds again when it refunds or captures; the client's secret isn't kept. */
function intentData({ client_secret, ...intent }: Stripe.PaymentIntent): Record<string, unknown> {
  return { ...intent }
}

/**
 * A session may have been authorised by Medusa already, for instance by a complete-cart that then failed. Where
 * that gave the money back, what Stripe told us before is no longer true: the next attempt asks again.
 */
async function existingPayments(
  { sql }: SharedTransaction,
  drafts: Draft[],
): Promise<Map<string, { id: string; capture_id: string | null }>> {
  const { rows } = await sql.raw(
    `SELECT payment.id, payment.payment_session_id, capture.id AS capture_id,
            payment.canceled_at IS NOT NULL OR EXISTS (
              SELECT 1 FROM refund WHERE refund.payment_id = payment.id AND refund.deleted_at IS NULL) AS given_back
       FROM payment LEFT JOIN capture ON capture.payment_id = payment.id AND capture.deleted_at IS NULL
      WHERE payment.payment_session_id = ANY(?) AND payment.deleted_at IS NULL`,
    [drafts.map(({ session_id }) => session_id)],
  )
  const givenBack = rows.find((row: { given_back: boolean }) => row.given_back)
  if (givenBack) {
    throw new Error(`payment ${givenBack.id} was cancelled or refunded in Medusa in the meantime`)
  }
  return new Map(rows.map((row: { payment_session_id: string }) => [row.payment_session_id, row]))
}

function split<T>(all: T[], belongsFirst: (one: T) => boolean): [T[], T[]] {
  return [all.filter(belongsFirst), all.filter((one) => !belongsFirst(one))]
}
