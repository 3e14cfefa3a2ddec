import type { AuthenticatedMedusaRequest, MedusaResponse } from "@medusajs/framework/http"
import { STRIPE_ORDERS_MODULE, type StripeOrdersModuleService } from "../../../../../modules/stripe-orders"
import { answerWithOne } from "../../answer"

/** Takes up again a payment that needs review, or that was dismissed or ignored. Answers with it as it is then: the rest takes a moment. */
export async function POST(req: AuthenticatedMedusaRequest, res: MedusaResponse): Promise<void> {
  const { id = "" } = req.params
  const stripeOrders: StripeOrdersModuleService = req.scope.resolve(STRIPE_ORDERS_MODULE)
  const retried = await stripeOrders.retry([id], req.auth_context.actor_id)
  await answerWithOne(req, res, id, retried)
}
