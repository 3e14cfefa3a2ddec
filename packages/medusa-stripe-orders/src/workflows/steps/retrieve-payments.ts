import type { Knex } from "@medusajs/framework/mikro-orm/knex"
import type { MedusaContainer } from "@medusajs/framework/types"
import { ContainerRegistrationKeys } from "@medusajs/framework/utils"
import { createStep, StepResponse } from "@medusajs/framework/workflows-sdk"
import type Stripe from "stripe"
import { type ContentSource, NeedsReview, type Payment, type SetAside } from "../../content/content"
import { loadSessions, sourceOf } from "../../content/source"
import { inParallel } from "../../in-parallel"
import { STRIPE_ORDERS_MODULE, type StripeOrdersModuleService } from "../../modules/stripe-orders"
import * as ledger from "../../modules/stripe-orders/ledger"

/** Stripe allows a hundred reads a second in live mode, a quarter of that in a sandbox. */
const STRIPE_CALLS_AT_ONCE = 10

export type UnplacedPayment = Omit<Payment, "source"> & { source: ContentSource | null }

export interface RetrievedPayments extends SetAside {
  /** paid or authorised, and nothing decided yet */
  payments: UnplacedPayment[]
  lock: { by: "payment_intent" | "cart" | "both"; timeout: number; ttl: number }
}

/**
 * Asks Stripe how each payment stands now. An event is a snapshot that may be late, repeated, overtaken or of
 * another API version; the payment itself is none of these.
 */
export const retrievePaymentsStep = createStep(
  "retrieve-stripe-payments",
  async ({ payment_intent_ids }: { payment_intent_ids: string[] }, { container }) => {
    const { options }: StripeOrdersModuleService = container.resolve(STRIPE_ORDERS_MODULE)
    const retrieved: RetrievedPayments = {
      payments: [],
      reviews: [],
      failures: [],
      lock: { by: options.lockKey, ...options.lock },
    }
    const intents = await retrieveUndecided(container, [...new Set(payment_intent_ids)], retrieved)
    const sessions = await loadSessions(container.resolve(ContainerRegistrationKeys.QUERY), intents)
    for (const intent of intents) {
      try {
        retrieved.payments.push({ ...paymentOf(intent), source: sourceOf(intent, sessions) })
      } catch (error) {
        if (!(error instanceof NeedsReview)) {
          throw error
        }
        retrieved.reviews.push({ id: intent.id, reason: error.message })
      }
    }
    return new StepResponse(retrieved)
  },
)

async function retrieveUndecided(
  container: MedusaContainer,
  ids: string[],
  { reviews, failures }: RetrievedPayments,
): Promise<Stripe.PaymentIntent[]> {
  const { stripe }: StripeOrdersModuleService = container.resolve(STRIPE_ORDERS_MODULE)
  const database: Knex = container.resolve(ContainerRegistrationKeys.PG_CONNECTION)
  await ledger.open(database, ids)
  const rows = await ledger.readRows(database, ids)
  const undecided = ids.filter((id) => rows.get(id)?.status === "pending")
  const intents = await inParallel(undecided, STRIPE_CALLS_AT_ONCE, async (id) => {
    try {
      return await stripe.paymentIntents.retrieve(id, { expand: ["latest_charge"] })
    } catch (error) {
      const { code, message } = error as Stripe.errors.StripeError
      if (code === "resource_missing") {
        reviews.push({
          id,
          reason: `Stripe knows no such payment intent with the configured API key: ${message}`,
        })
      } else {
        failures.push({ id, error: message })
      }
      return null
    }
  })
  const found = intents.filter((intent) => intent !== null)
  await ledger.decide(database, "void", found.flatMap(voidReason))
  return found.filter((intent) => isPaid(intent) && voidReason(intent).length === 0)
}

function isPaid({ status }: Stripe.PaymentIntent): boolean {
  return status === "succeeded" || status === "requires_capture"
}

function voidReason(intent: Stripe.PaymentIntent): { id: string; reason: string }[] {
  if (intent.status === "canceled") {
    return [{ id: intent.id, reason: "cancelled in Stripe before an order was made" }]
  }
  const charge = intent.latest_charge
  if (charge && typeof charge === "object" && charge.refunded) {
    return [{ id: intent.id, reason: "refunded in Stripe before an order was made" }]
  }
  return []
}

function paymentOf(intent: Stripe.PaymentIntent): Omit<Payment, "source"> {
  const captured = intent.status === "succeeded"
  const refunded = typeof intent.latest_charge === "object" ? (intent.latest_charge?.amount_refunded ?? 0) : 0
  return {
    id: intent.id,
    status: captured ? "succeeded" : "requires_capture",
    amount: captured ? intent.amount_received - refunded : intent.amount_capturable,
    currency: intent.currency,
    intent,
  }
}
