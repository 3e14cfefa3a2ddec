import type { AuthenticatedMedusaRequest, MedusaResponse } from "@medusajs/framework/http"
import { STRIPE_ORDERS_MODULE, type StripeOrdersModuleService } from "../../../../modules/stripe-orders"
import { answerWith } from "../answer"
import type { Payments } from "../query"

/** Makes orders of payments in review that are not in stock: what is missing is backordered. */
export async function POST(req: AuthenticatedMedusaRequest<Payments>, res: MedusaResponse): Promise<void> {
  const stripeOrders: StripeOrdersModuleService = req.scope.resolve(STRIPE_ORDERS_MODULE)
  const { ids } = req.validatedBody
  await answerWith(req, res, ids, await stripeOrders.backorder(ids, req.auth_context.actor_id))
}
