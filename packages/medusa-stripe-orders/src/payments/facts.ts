import type Stripe from "stripe"
import { chargeOf } from "../stripe-objects"
import { hashOfSecret } from "./client-secret"
import type { PaymentFacts } from "./payments"

/** What an event tells by which people search, and buyers ask; `snapshot`: its object is the payment intent. */
export function factsOf(event: Stripe.Event, snapshot = false): PaymentFacts | undefined {
  const { object } = event.data
  if (object.object === "checkout.session") {
    return { session_hash: hashOfSecret(object.id) }
  }
  return snapshot ? factsOfIntent(event) : undefined
}

function factsOfIntent(event: Stripe.Event): PaymentFacts {
  const intent = event.data.object as Stripe.PaymentIntent
  return { ...intentFacts(intent), livemode: event.livemode, account: event.account ?? null }
}

/** What a person searches by, and a buyer asks with, from the payment intent; what is missing in it is left out. */
export function intentFacts(intent: Stripe.PaymentIntent): PaymentFacts {
  const charge = chargeOf(intent)
  const types = intent.payment_method_types ?? []
  return {
    amount: intent.amount ?? null,
    currency: intent.currency ?? null,
    email: intent.metadata?.email ?? intent.receipt_email ?? charge?.billing_details?.email ?? null,
    name: intent.shipping?.name ?? charge?.billing_details?.name ?? null,
    created: intent.created ? new Date(intent.created * 1000) : null,
    livemode: intent.livemode ?? null,
    payment_method: idOf(intent.payment_method),
    payment_method_type: charge?.payment_method_details?.type ?? (types.length === 1 ? types[0] : null),
    latest_charge: idOf(intent.latest_charge),
    client_secret_hash: hashOfSecret(intent.client_secret),
  }
}

function idOf(reference: string | { id: string } | null | undefined): string | null {
  return typeof reference === "string" ? reference : (reference?.id ?? null)
}
