import type { AuthenticatedMedusaRequest, MedusaResponse } from "@medusajs/framework/http"
import { STRIPE_ORDERS_MODULE, type StripeOrdersModuleService } from "../../../../modules/stripe-orders"
import type { ReconcileStripePayments } from "./body"

/** Compares what Stripe has of a span with what became of it here, and takes up what is missing. */
export async function POST(
  req: AuthenticatedMedusaRequest<ReconcileStripePayments>,
  res: MedusaResponse,
): Promise<void> {
  const stripeOrders: StripeOrdersModuleService = req.scope.resolve(STRIPE_ORDERS_MODULE)
  const { since, until } = req.validatedBody
  res.json(await stripeOrders.reconcile({ since, until, person: req.auth_context.actor_id }))
}
