import type { AuthenticatedMedusaRequest, MedusaResponse } from "@medusajs/framework/http"
import { STRIPE_ORDERS_MODULE, type StripeOrdersModuleService } from "../../../../../modules/stripe-orders"
import { answerWithOne } from "../../answer"
import type { DismissStripePayment } from "../../query"

/** Puts a payment aside that needs review: nothing is left to do about it. The timeline says who said so, and why. */
export async function POST(
  req: AuthenticatedMedusaRequest<DismissStripePayment>,
  res: MedusaResponse,
): Promise<void> {
  const { id = "" } = req.params
  const stripeOrders: StripeOrdersModuleService = req.scope.resolve(STRIPE_ORDERS_MODULE)
  const { reason } = req.validatedBody
  const dismissed = await stripeOrders.dismiss([id], reason, req.auth_context.actor_id)
  await answerWithOne(req, res, id, dismissed)
}
