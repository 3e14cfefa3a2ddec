import type { AuthenticatedMedusaRequest, MedusaResponse } from "@medusajs/framework/http"
import { MedusaError } from "@medusajs/framework/utils"
import { STRIPE_ORDERS_MODULE, type StripeOrdersModuleService } from "../../../../modules/stripe-orders"
import { withOrderNumbers } from "../with-orders"

/** One payment, with everything that happened to it. */
export async function GET(req: AuthenticatedMedusaRequest, res: MedusaResponse): Promise<void> {
  const { id = "" } = req.params
  const stripeOrders: StripeOrdersModuleService = req.scope.resolve(STRIPE_ORDERS_MODULE)
  const [stripe_payment] = await withOrderNumbers(req.scope, await stripeOrders.views([id]))
  if (!stripe_payment) {
    throw new MedusaError(MedusaError.Types.NOT_FOUND, `There is no Stripe payment ${id}`)
  }
  res.json({ stripe_payment: { ...stripe_payment, timeline: await stripeOrders.timeline(id) } })
}
