import { randomUUID } from "node:crypto"
import type { IEventBusModuleService, MedusaContainer } from "@medusajs/framework/types"
import { EventPriority, Modules, OrderWorkflowEvents } from "@medusajs/framework/utils"
import type Stripe from "stripe"
import { STRIPE_ORDERS_MODULE, type StripeOrdersModuleService } from "../modules/stripe-orders"
import type { PaymentRow } from "../modules/stripe-orders/ledger"
import * as ledger from "../modules/stripe-orders/ledger"
import { recordCapture } from "./record-payments"
import { inOneTransaction } from "./shared-transaction"

/**
 * Does what is still to do after the decision was committed: capture and announce an order, or give the money
 * back. Each part is resumed from the payment's row and never repeated: Stripe is asked with an idempotency
 * key, and what it answered is written under the row's lock.
 */
export async function finishPayment(container: MedusaContainer, row: PaymentRow): Promise<void> {
  if (row.status === "returning") {
    return await giveBack(container, row)
  }
  if (row.status === "ordered") {
    if (!row.captured_at && !(await capture(container, row))) {
      return
    }
    await announce(container, row.id)
  }
}

/** Takes the authorised money; false where Stripe no longer lets us, and a person has to decide. */
async function capture(container: MedusaContainer, { id, order_id }: PaymentRow): Promise<boolean> {
  const { stripe }: StripeOrdersModuleService = container.resolve(STRIPE_ORDERS_MODULE)
  const intent = await orCurrent(stripe, id, () =>
    ask(`holdfast-capture-${id}`, (options) => stripe.paymentIntents.capture(id, {}, options)),
  )
  return await inOneTransaction(container, async (transaction) => {
    const row = (await ledger.lockRows(transaction.sql, [id])).get(id)
    if (row?.captured_at || row?.status !== "ordered") {
      return row?.status === "ordered"
    }
    if (intent.status !== "succeeded") {
      const reason = `order ${order_id} was made, but its payment can't be captured: it is ${intent.status} in Stripe`
      await ledger.record(transaction.sql, id, { status: "review", reason })
      return false
    }
    await recordCapture(container, transaction, row, intent)
    await ledger.record(transaction.sql, id, { captured_at: new Date() })
    return true
  })
}

/**
 * Tells the shop about its order. The event goes out while the row is locked, so two workers can't both send
 * it; a crash between the sending and the commit, and only that, sends it twice.
 */
async function announce(container: MedusaContainer, id: string): Promise<void> {
  const events: IEventBusModuleService = container.resolve(Modules.EVENT_BUS)
  await inOneTransaction(container, async ({ sql }) => {
    const row = (await ledger.lockRows(sql, [id])).get(id)
    if (row?.status !== "ordered") {
      return
    }
    await events.emit(
      { name: OrderWorkflowEvents.PLACED, data: { id: row.order_id } },
      { priority: EventPriority.CRITICAL },
    )
    await ledger.record(sql, id, { status: "completed", placed_at: new Date() })
  })
}

/** No stock: what was only authorised is let go, what was captured is refunded. */
async function giveBack(container: MedusaContainer, { id }: PaymentRow): Promise<void> {
  const { stripe }: StripeOrdersModuleService = container.resolve(STRIPE_ORDERS_MODULE)
  const before = await stripe.paymentIntents.retrieve(id)
  const status = before.status === "succeeded" ? await refund(stripe, id) : await cancel(stripe, id)
  await inOneTransaction(container, async ({ sql }) => {
    const row = (await ledger.lockRows(sql, [id])).get(id)
    if (row?.status === "returning") {
      await ledger.record(sql, id, { status })
    }
  })
}

async function refund(stripe: Stripe, id: string): Promise<"refunded"> {
  try {
    await ask(`holdfast-refund-${id}`, (options) =>
      stripe.refunds.create({ payment_intent: id, metadata: { reason: "out of stock" } }, options),
    )
  } catch (error) {
    // Whatever the key is, Stripe doesn't refund the same charge again.
    if ((error as Stripe.errors.StripeError).code !== "charge_already_refunded") {
      throw error
    }
  }
  return "refunded"
}

async function cancel(stripe: Stripe, id: string): Promise<"cancelled"> {
  const intent = await orCurrent(stripe, id, () =>
    ask(`holdfast-cancel-${id}`, (options) =>
      stripe.paymentIntents.cancel(id, { cancellation_reason: "abandoned" }, options),
    ),
  )
  if (intent.status !== "canceled") {
    throw new Error(`the authorisation could not be cancelled: it is ${intent.status} in Stripe`)
  }
  return "cancelled"
}

/**
 * Asks Stripe for something that it does to a payment once, whoever asks how often. For a day it answers a key as it did
 * at first, be it with a failure that has long been mended: what is only remembered is asked anew.
 */
async function ask<T>(
  idempotencyKey: string,
  call: (options: { idempotencyKey: string }) => Promise<T>,
): Promise<T> {
  try {
    return await call({ idempotencyKey })
  } catch (error) {
    const { headers } = error as Stripe.errors.StripeError
    if (headers?.["idempotent-replayed"] !== "true") {
      throw error
    }
    return await call({ idempotencyKey: `${idempotencyKey}-${randomUUID()}` })
  }
}

/** The call's answer or, where the payment has moved on already, the payment as it now is. */
async function orCurrent(
  stripe: Stripe,
  id: string,
  call: () => Promise<Stripe.PaymentIntent>,
): Promise<Stripe.PaymentIntent> {
  try {
    return await call()
  } catch (error) {
    if ((error as Stripe.errors.StripeError).code === "payment_intent_unexpected_state") {
      return await stripe.paymentIntents.retrieve(id)
    }
    throw error
  }
}
