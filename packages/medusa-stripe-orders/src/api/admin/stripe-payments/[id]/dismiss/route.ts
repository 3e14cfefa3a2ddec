import type { AuthenticatedMedusaRequest, MedusaResponse } from "@medusajs/framework/http"
import { MedusaError } from "@medusajs/framework/utils"
import { STRIPE_ORDERS_MODULE, type StripeOrdersModuleService } from "../../../../../modules/stripe-orders"
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
  const [stripe_payment] = await stripeOrders.views([id])
  if (!stripe_payment) {
    throw new MedusaError(MedusaError.Types.NOT_FOUND, `There is no Stripe payment ${id}`)
  }
  if (dismissed.length === 0) {
    throw new MedusaError(
      MedusaError.Types.NOT_ALLOWED,
      `Payment ${id} is not in review: it is ${stripe_payment.status}`,
    )
  }
  res.json({ stripe_payment })
}
