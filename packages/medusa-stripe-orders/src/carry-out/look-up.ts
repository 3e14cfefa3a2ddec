import type Stripe from "stripe"
import { type CheckoutSession, emailOf, freeIntent, isFreeSession } from "../order-draft/checkout-session"
import { saysWhatWasBought } from "../order-draft/source"
import { invoiceOf } from "../order-draft/unsourced"
import { hashOfSecret, withoutSecret } from "../payments/client-secret"
import { intentFacts } from "../payments/facts"
import { type Outcome, outcomeOf, type PaymentFacts } from "../payments/payments"
import type { ClaimedPayment } from "../payments/queue"
import { parseStorable } from "../payments/storable"
import type { Plugin } from "../plugin"
import type { CarryOut } from "./context"
import { retrieve, retrieveSession, sessionOf } from "./stripe-calls"

/** A payment intent that Stripe does not know right after its event may only be late; so long it is asked again. */
const MISSING_FOR_MS = 20_000

const OPEN_RETRY_MS = 1_000

/** How often Stripe is asked about a payment that is not paid: when its age has doubled, once a day at least. */
const UNPAID_RETRY_MS = { least: 60_000, most: 86_400_000 }
const UNPAID_FOR_TOO_LONG_MS = 30 * 86_400_000

/**
 * Asks Stripe how a payment stands, where its events don't say enough: one read. The answer is kept with the row, and
 * the payment takes its turn again, at the place of its arrival.
 */
export async function lookUp(
  { plugin }: Pick<CarryOut, "plugin">,
  payment: ClaimedPayment,
): Promise<Outcome> {
  try {
    return isFreeSession(payment.id)
      ? answered(payment, await freePayment(plugin, payment.id))
      : answered(payment, await paymentWithSession(plugin, payment.id))
  } catch (error) {
    if ((error as Stripe.errors.StripeError).code === "resource_missing") {
      return missing(payment, error as Stripe.errors.StripeError)
    }
    throw error
  }
}

interface Answered {
  intent: Stripe.PaymentIntent
  checkout: CheckoutSession | null
}

/** A payment that doesn't say what was bought may be of Stripe's Checkout, whose session does. */
async function paymentWithSession(plugin: Plugin, id: string): Promise<Answered> {
  const intent = await retrieve(plugin, id)
  const isUnknown = !saysWhatWasBought(intent.metadata) && !invoiceOf(intent)
  return { intent, checkout: isUnknown ? await sessionOf(plugin, intent) : null }
}

async function freePayment(plugin: Plugin, id: string): Promise<Answered> {
  const checkout = await retrieveSession(plugin, id)
  return { intent: freeIntent(checkout), checkout }
}

function answered(payment: ClaimedPayment, { intent, checkout }: Answered): Outcome {
  // The client's secret itself is nothing that we may keep.
  const plain = withoutSecret(intent)
  if (checkout?.status === "open" && isWaitedFor(payment)) {
    return openSession(payment, checkout)
  }
  const facts = {
    ...intentFacts(parseStorable(JSON.stringify(plain))),
    ...(checkout && sessionFacts(checkout)),
    client_secret_hash: hashOfSecret(intent.client_secret),
  }
  const line = {
    kind: "stripe_call" as const,
    text: `Stripe answered: the payment is ${intent.status}`,
    data: { request_id: (intent as Partial<Stripe.Response<object>>).lastResponse?.requestId },
  }
  const isPaid = ["succeeded", "requires_capture", "canceled"].includes(intent.status)
  if (payment.status !== "awaiting_payment" || isPaid) {
    // Not a fresh start: a payment that fails again and again, though Stripe answers, needs review in the end.
    const attempts = payment.last_error ? "kept" : "reset"
    return outcomeOf(payment, "pending", line, {
      attempts,
      facts: {
        ...facts,
        snapshot: JSON.stringify(plain),
        ...(checkout && { checkout: JSON.stringify(checkout) }),
      },
    })
  }
  const age = Date.now() - intent.created * 1000
  if (age > UNPAID_FOR_TOO_LONG_MS) {
    return outcomeOf(payment, "void", line, { reason: "was not paid within 30 days" })
  }
  const due_in_ms = Math.min(UNPAID_RETRY_MS.most, Math.max(UNPAID_RETRY_MS.least, age))
  return outcomeOf(payment, "awaiting_payment", line, { facts, due_in_ms })
}

/** What a person searches by, as the buyer typed it in Checkout, and what the buyer asks with. */
function sessionFacts(session: CheckoutSession): PaymentFacts {
  const email = emailOf(session)
  const name = session.customer_details?.name
  return { session_hash: hashOfSecret(session.id), ...(email && { email }), ...(name && { name }) }
}

function isWaitedFor({ status_since }: ClaimedPayment): boolean {
  return Date.now() - new Date(status_since).getTime() < MISSING_FOR_MS
}

/** The money is there a moment before Stripe has completed the session, and with it the buyer's details. */
function openSession(payment: ClaimedPayment, { id }: CheckoutSession): Outcome {
  const text = `Its Checkout Session ${id} is not complete yet`
  const line = { kind: "stripe_call" as const, text }
  return outcomeOf(payment, "lookup", line, { attempts: "kept", due_in_ms: OPEN_RETRY_MS })
}

/** A signed event says that the payment exists; without one, Stripe's word is enough. */
function missing(payment: ClaimedPayment, error: Stripe.errors.StripeError): Outcome {
  const waited = Date.now() - new Date(payment.status_since).getTime()
  const data = { request_id: error.requestId, code: error.code }
  if (payment.revision > 0 && waited < MISSING_FOR_MS) {
    const text = `Stripe does not know the payment yet: ${error.message}`
    const line = { kind: "stripe_call" as const, text, data }
    const due_in_ms = Math.max(1_000, Math.min(waited, MISSING_FOR_MS - waited))
    return outcomeOf(payment, "lookup", line, { attempts: "kept", error: error.message, due_in_ms })
  }
  const reason = `Stripe knows no such payment intent with the configured API key: ${error.message}`
  const line = { kind: "decision" as const, text: reason, data }
  return outcomeOf(payment, "review", line, { reason })
}
