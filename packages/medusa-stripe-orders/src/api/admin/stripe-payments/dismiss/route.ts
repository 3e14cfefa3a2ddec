import type { AuthenticatedMedusaRequest, MedusaResponse } from "@medusajs/framework/http"
import { STRIPE_ORDERS_MODULE, type StripeOrdersModuleService } from "../../../../modules/stripe-orders"
import { answerWith } from "../answer"
import type { PaymentsWithReason } from "../query"

/** Puts payments aside that need review: nothing is left to do about them. */
export async function POST(
  req: AuthenticatedMedusaRequest<PaymentsWithReason>,
  res: MedusaResponse,
): Promise<void> {
  const stripeOrders: StripeOrdersModuleService = req.scope.resolve(STRIPE_ORDERS_MODULE)
  const { ids, reason } = req.validatedBody
  await answerWith(req, res, ids, await stripeOrders.dismiss(ids, reason, req.auth_context.actor_id))
}
