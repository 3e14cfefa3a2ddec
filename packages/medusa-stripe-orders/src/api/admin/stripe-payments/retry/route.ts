import type { AuthenticatedMedusaRequest, MedusaResponse } from "@medusajs/framework/http"
import { STRIPE_ORDERS_MODULE, type StripeOrdersModuleService } from "../../../../modules/stripe-orders"
import { answerWith } from "../answer"
import type { RetryStripePayments } from "./body"

/** Takes up again several payments that wait for a person, or all of a kind. */
export async function POST(
  req: AuthenticatedMedusaRequest<RetryStripePayments>,
  res: MedusaResponse,
): Promise<void> {
  const stripeOrders: StripeOrdersModuleService = req.scope.resolve(STRIPE_ORDERS_MODULE)
  const { ids, status, reason } = req.validatedBody
  const retried = await stripeOrders.retry(ids ?? { status, reason }, req.auth_context.actor_id)
  await answerWith(req, res, ids ?? [], retried)
}
