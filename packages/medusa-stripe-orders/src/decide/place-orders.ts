import type { MedusaContainer } from "@medusajs/framework/types"
import { assignCustomers } from "../medusa/customers"
import { ordersOfCarts, sessionsGivenBack, sessionsOfOrders } from "../medusa/medusa-was-first"
import { recordMoney, type StripeMoney } from "../medusa/money-rows"
import { linkOrders, lockCarts } from "../medusa/order-links"
import { createOrders } from "../medusa/order-rows"
import { payOrders } from "../medusa/pay-orders"
import { type PaymentRecord, recordPayments } from "../medusa/payment-records"
import { writeUses } from "../medusa/promotions"
import { inOneTransaction, type SharedTransaction } from "../medusa/shared-transaction"
import type { ResolvedOptions } from "../options"
import { isFreeSession } from "../order-draft/checkout-session"
import type { OrderDraft } from "../order-draft/order-draft"
import { movedSince } from "../payments/inbox"
import { applyOutcomes, lockPayments, type Outcome, type PaymentRow } from "../payments/payments"
import type { Batch, ExistingOrder } from "./batch"
import {
  alreadyOrdered,
  hasOrder,
  isDue,
  isExact,
  leftUndone,
  type OrderPayment,
  paidOrder,
} from "./existing-orders"
import { outOfStock, servedHow, unstocked } from "./out-of-stock"
import { admitByPromotions } from "./promotions"
import type { ServedOrder } from "./serve"
import { type Served, takeStock } from "./take-stock"

export type Entry = OrderDraft | ExistingOrder

/**
 * The heart of the plugin: take the stock and create the orders, for a whole group in one transaction, with the payments'
 * and the carts' rows locked. A crash leaves all of it or nothing of it, and a payment that another process decided
 * meanwhile is passed over, since its row no longer says so.
 */
export async function placeOrders(batch: Batch, entries: Entry[]): Promise<void> {
  const { container } = batch
  const { options } = batch.plugin
  try {
    await inOneTransaction(container, async (transaction) => {
      const mine = await lockMine(transaction, batch, entries)
      const { outcomes, drafts, paid, known } = await stillToOrder(transaction, batch, mine)
      const { admitted, uses, outcomes: refused } = await admitByPromotions(transaction, batch, drafts)
      outcomes.push(...refused)
      const stock = await takeStock(transaction, options.stock, admitted, (draft) => batch.stockPolicy(draft))
      const orders = [...stock.orders.values()]
      const payments = await writeOrders(container, transaction, orders, options)
      for (const order of orders) {
        uses.count(order)
      }
      await writeUses(transaction, uses.counted)
      outcomes.push(...admitted.map((draft) => stockOutcome(batch, draft, stock, payments)))
      const paymentIds = await payOrders(container, transaction, paid)
      const undone = await leftUndone(transaction, paid)
      outcomes.push(
        ...paid.map((entry) =>
          paidOrder(batch, entry, {
            payment_id: paymentIds.get(entry.payment.id),
            undone: undone.get(entry.session.order_id) ?? null,
          }),
        ),
      )
      await recordMoney(container, transaction, known)
      await applyOutcomes(transaction.sql, batch.actor, outcomes)
    })
  } catch (error) {
    batch.reopen(entries.map(({ payment }) => payment.id))
    throw error
  }
}

/** An order, or why there is none. */
function stockOutcome(
  batch: Batch,
  draft: OrderDraft,
  { orders, short, unstocked: gaps }: Served,
  payments: Map<string, PaymentRecord>,
): Outcome {
  const { id } = draft.payment
  const order = orders.get(id)
  const missing = short.get(id) ?? []
  if (order) {
    return ordered(batch, order, payments, servedHow(order, draft, missing))
  }
  const gap = gaps.get(id)
  return gap ? unstocked(batch, draft, gap) : outOfStock(batch, draft, missing)
}

type LockedEntry = Entry & { row: PaymentRow }

/** Locks the payments' rows, then the carts'; keeps the payments that this batch still holds, in order of arrival. */
async function lockMine(
  transaction: SharedTransaction,
  batch: Batch,
  entries: Entry[],
): Promise<LockedEntry[]> {
  const rows = await lockPayments(
    transaction.sql,
    entries.map(({ payment }) => payment.id),
  )
  await lockCarts(
    transaction,
    entries.flatMap(({ cart_id }) => cart_id ?? []),
  )
  return entries
    .flatMap((entry) => {
      const row = rows.get(entry.payment.id)
      const isMine = row?.status === "pending" && row.claim === batch.payment(row.id).claim
      return isMine ? [{ ...entry, row }] : []
    })
    .sort((a, b) => Number(a.row.arrival) - Number(b.row.arrival))
}

/** What exists already, by what the entries name, under the locks; and which payments have moved since they were read. */
async function readStanding(transaction: SharedTransaction, batch: Batch, entries: LockedEntry[]) {
  const orders = await ordersOfCarts(
    transaction,
    entries.flatMap(({ cart_id }) => cart_id ?? []),
  )
  const givenBack = await sessionsGivenBack(
    transaction,
    entries.flatMap(({ payment_session_id }) => payment_session_id ?? []),
  )
  const sessions = await sessionsOfOrders(
    transaction,
    entries.flatMap(({ payment_session_id, cart_id, order }) =>
      payment_session_id && (!order || orders.has(cart_id ?? "")) ? [payment_session_id] : [],
    ),
  )
  const read = entries.map(({ row }) => ({
    id: row.id,
    now: row.revision,
    revision: batch.payment(row.id).revision,
  }))
  const moved = await movedSince(
    transaction.sql,
    read.filter(({ now, revision }) => now > revision),
  )
  return { orders, givenBack, sessions, moved }
}

/**
 * What is still to be ordered under the locks. One cart makes one order: of the first payment, or of Medusa's own
 * complete-cart. A payment that has moved since its events were read is read again.
 */
async function stillToOrder(transaction: SharedTransaction, batch: Batch, entries: LockedEntry[]) {
  const { orders, givenBack, sessions, moved } = await readStanding(transaction, batch, entries)
  const outcomes: Outcome[] = []
  const drafts: OrderDraft[] = []
  const paid: OrderPayment[] = []
  const known: StripeMoney[] = []
  const taken = new Set<string>()
  for (const entry of entries) {
    const { cart_id, payment } = entry
    const earlier = cart_id ? orders.get(cart_id) : undefined
    const session = sessions.get(entry.payment_session_id ?? "")
    if (moved.has(payment.id)) {
      const line = { kind: "decision" as const, text: "Moved in Stripe meanwhile: is looked at again" }
      outcomes.push(batch.outcome(payment.id, "pending", line, { attempts: "kept" }))
    } else if (session && isDue(session, payment.id) && !taken.has(session.payment_collection_id)) {
      paid.push({ payment, session, cart_id })
      taken.add(session.payment_collection_id)
    } else if (session || earlier || (cart_id && taken.has(cart_id))) {
      const { outcome, money } = alreadyOrdered(batch, entry, earlier, session)
      outcomes.push(outcome)
      known.push(...money)
    } else if (givenBack.has(entry.payment_session_id ?? "")) {
      outcomes.push(movedInMedusa(batch, payment.id))
    } else if (entry.order && entry.row.order_id) {
      outcomes.push(hasOrder(batch, payment.id, entry.row.order_id))
    } else if (entry.order) {
      drafts.push(entry)
      taken.add(cart_id ?? payment.id)
    } else {
      throw new Error(`the payment's order was there a moment ago, and is gone now (cart ${cart_id})`)
    }
  }
  return { outcomes, drafts, known, paid: paid.filter((entry) => isExact(batch, entry, outcomes)) }
}

/** Complete-cart authorized the payment, failed, and gave the money back: what Stripe said before is no longer true. */
function movedInMedusa(batch: Batch, id: string): Outcome {
  const text = "the payment was canceled or refunded in Medusa in the meantime"
  const isRead = batch.candidates.find((candidate) => candidate.id === id)?.isRead
  return isRead ? batch.failure(id, new Error(text)) : batch.lookup(id, `Stripe is asked: ${text}`)
}

function ordered(
  batch: Batch,
  { payment, order, cart_id, order_amount }: ServedOrder,
  payments: Map<string, PaymentRecord>,
  how: string | null,
): Outcome {
  const record = payments.get(payment.id)
  const said = [
    how,
    order.email ? null : "without an e-mail address: neither the payment nor its checkout has one",
  ]
  const reason = said.filter(Boolean).join("; ") || null
  const { first_name, last_name } = (order.shipping_address ?? {}) as {
    first_name?: string
    last_name?: string
  }
  return batch.outcome(
    payment.id,
    "ordered",
    {
      kind: "decision",
      text: `Became an order${reason ? `, ${reason}` : ""}`,
      data: { order_id: order.id, cart_id },
    },
    {
      reason,
      facts: {
        order_amount,
        order_id: order.id,
        cart_id,
        payment_id: record?.payment_id,
        email: order.email,
        name: [first_name, last_name].filter(Boolean).join(" ") || undefined,
        ...(payment.status === "succeeded" && { captured_at: new Date() }),
      },
    },
  )
}

async function writeOrders(
  container: MedusaContainer,
  transaction: SharedTransaction,
  drafts: OrderDraft[],
  options: ResolvedOptions,
): Promise<Map<string, PaymentRecord>> {
  if (drafts.length === 0) {
    return new Map()
  }
  await assignCustomers(transaction, drafts)
  // As in Medusa, an order of 0 has no payment.
  const paid = drafts.filter(({ payment }) => !isFreeSession(payment.id))
  const payments = await recordPayments(transaction, paid, options.paymentProvider)
  // A copy: the Order Module writes into its input, and a group that fails is placed again.
  const orders = drafts.map((draft) => ({
    ...structuredClone(draft.order),
    transactions: transactionsOf(draft, payments),
  }))
  await createOrders(container, transaction, orders)
  await linkOrders(transaction, drafts, payments)
  return payments
}

function transactionsOf({ payment, total }: OrderDraft, payments: Map<string, PaymentRecord>) {
  const capture_id = payments.get(payment.id)?.capture_id
  return capture_id
    ? [{ amount: total, currency_code: payment.currency, reference: "capture", reference_id: capture_id }]
    : []
}
