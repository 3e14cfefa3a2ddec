import type { AuthenticatedMedusaRequest, MedusaResponse } from "@medusajs/framework/http"
import { STRIPE_ORDERS_MODULE, type StripeOrdersModuleService } from "../../../../modules/stripe-orders"
import { answerWith } from "../answer"
import type { PaymentsWithReason } from "../query"

/** Gives the money of payments back that need review and have no order, or cancels their authorizations. */
export async function POST(
  req: AuthenticatedMedusaRequest<PaymentsWithReason>,
  res: MedusaResponse,
): Promise<void> {
  const stripeOrders: StripeOrdersModuleService = req.scope.resolve(STRIPE_ORDERS_MODULE)
  const { ids, reason } = req.validatedBody
  await answerWith(req, res, ids, await stripeOrders.refund(ids, reason, req.auth_context.actor_id))
}
