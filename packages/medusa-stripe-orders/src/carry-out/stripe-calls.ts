import { randomUUID } from "node:crypto"
import type Stripe from "stripe"
import type { CheckoutSession } from "../order-draft/checkout-session"
import { withoutSecret } from "../payments/client-secret"
import type { Plugin } from "../plugin"
import { chargeOf, moneyBack } from "../stripe-objects"
import type { StripeEndpoint } from "./stripe-budget"

/** Stripe's answer, with the ids by which the call is found again. */
export interface Answer<T> {
  value: T
  ids: { request_id?: string; idempotency_key?: string }
}

/**
 * Asks Stripe for something that it does to a payment once, however often it is asked. For a day it answers a key as it
 * did at first, with a failure too that is over by now: an answer that is only remembered is asked for anew.
 */
export async function askOnce<T>(
  { budget }: Plugin,
  endpoint: Exclude<StripeEndpoint, "retrieve">,
  idempotency_key: string,
  call: (options: Stripe.RequestOptions) => Promise<Stripe.Response<T>>,
): Promise<Answer<T>> {
  const ask = async (key: string): Promise<Answer<T>> => {
    const value = await budget.run(endpoint, () => call({ idempotencyKey: key }), true)
    return { value, ids: { request_id: value.lastResponse?.requestId, idempotency_key: key } }
  }
  try {
    return await ask(idempotency_key)
  } catch (error) {
    const { headers } = error as Stripe.errors.StripeError
    if (headers?.["idempotent-replayed"] !== "true") {
      throw error
    }
    return await ask(`${idempotency_key}-${randomUUID()}`)
  }
}

/** The payment intent as it is now, with its charge. */
export async function retrieve(
  { budget, stripe }: Plugin,
  id: string,
): Promise<Stripe.Response<Stripe.PaymentIntent>> {
  return await budget.run("retrieve", () => stripe.paymentIntents.retrieve(id, { expand: ["latest_charge"] }))
}

/** The call's answer or, where the payment has moved on already, the payment as it now is. */
export async function orCurrent(
  plugin: Plugin,
  id: string,
  call: () => Promise<Answer<Stripe.PaymentIntent>>,
): Promise<Answer<Stripe.PaymentIntent>> {
  try {
    return await call()
  } catch (error) {
    if ((error as Stripe.errors.StripeError).code === "payment_intent_unexpected_state") {
      return { value: await retrieve(plugin, id), ids: {} }
    }
    throw error
  }
}

/** The payment intent as it is now with all its refunds that gave money back, the newest first: one read, where they are ten at most. */
export async function retrieveWithRefunds(
  plugin: Plugin,
  id: string,
): Promise<{ intent: Stripe.PaymentIntent; refunds: Stripe.Refund[] }> {
  const { budget, stripe } = plugin
  const intent = await budget.run("retrieve", () =>
    stripe.paymentIntents.retrieve(id, { expand: ["latest_charge.refunds"] }),
  )
  const charge = chargeOf(intent)
  const refunds = charge?.refunds
  if (!refunds?.has_more) {
    return { intent, refunds: moneyBack(charge, refunds?.data ?? []) }
  }
  const { data } = await budget.run("list refunds", () =>
    stripe.refunds.list({ payment_intent: id, limit: 100 }),
  )
  return { intent, refunds: moneyBack(charge, data) }
}

/** Four levels are the most that Stripe expands. */
const OF_SESSION = [
  "line_items.data.price.product",
  "line_items.data.taxes",
  "line_items.data.discounts",
  "shipping_cost.shipping_rate",
  "shipping_cost.taxes",
]

/** A Checkout Session with all its line items, their prices and products. */
export async function retrieveSession(plugin: Plugin, id: string): Promise<CheckoutSession> {
  const { budget, stripe } = plugin
  const session = await budget.run("retrieve session", () =>
    stripe.checkout.sessions.retrieve(id, { expand: OF_SESSION }),
  )
  const lines = session.line_items?.data ?? []
  for (let more = session.line_items?.has_more; more; ) {
    const page = await budget.run("list line items", () =>
      stripe.checkout.sessions.listLineItems(id, {
        limit: 100,
        starting_after: lines.at(-1)?.id,
        expand: ["data.price.product", "data.taxes", "data.discounts"],
      }),
    )
    lines.push(...page.data)
    more = page.has_more
  }
  return withoutSecret(session)
}

/** The Checkout Session that a payment was made in; null where there is none. Since December 2025 a payment names its own. */
export async function sessionOf(
  plugin: Plugin,
  intent: Stripe.PaymentIntent,
): Promise<CheckoutSession | null> {
  const { order_reference } = intent.payment_details ?? {}
  if (order_reference?.startsWith("cs_")) {
    return await retrieveSession(plugin, order_reference)
  }
  const { data } = await plugin.budget.run("list sessions", () =>
    plugin.stripe.checkout.sessions.list({ payment_intent: intent.id, limit: 1 }),
  )
  return data[0] ? await retrieveSession(plugin, data[0].id) : null
}

/** The disputes of a payment, the newest first. */
export async function listDisputes({ budget, stripe }: Plugin, id: string): Promise<Stripe.Dispute[]> {
  const { data } = await budget.run("list disputes", () =>
    stripe.disputes.list({ payment_intent: id, limit: 100 }),
  )
  return data
}

/** A page of Stripe's events, the newest first. */
export async function listEvents(
  { budget, stripe }: Plugin,
  params: Stripe.EventListParams,
  account?: string,
): Promise<Stripe.ApiList<Stripe.Event>> {
  return await budget.run("list events", () => stripe.events.list(params, { stripeAccount: account }))
}

/** A page of payment intents, the newest first. */
export async function listPayments(
  { budget, stripe }: Plugin,
  params: Stripe.PaymentIntentListParams,
  account?: string,
): Promise<Stripe.ApiList<Stripe.PaymentIntent>> {
  return await budget.run("list payments", () =>
    stripe.paymentIntents.list(params, { stripeAccount: account }),
  )
}
