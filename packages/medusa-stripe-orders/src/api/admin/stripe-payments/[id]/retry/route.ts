import type { AuthenticatedMedusaRequest, MedusaResponse } from "@medusajs/framework/http"
import { MedusaError } from "@medusajs/framework/utils"
import { STRIPE_ORDERS_MODULE, type StripeOrdersModuleService } from "../../../../../modules/stripe-orders"

/** Takes up again a payment that needs review, or that was dismissed or ignored. Answers with it as it is then: the rest takes a moment. */
export async function POST(req: AuthenticatedMedusaRequest, res: MedusaResponse): Promise<void> {
  const { id = "" } = req.params
  const stripeOrders: StripeOrdersModuleService = req.scope.resolve(STRIPE_ORDERS_MODULE)
  const retried = await stripeOrders.retry([id], req.auth_context.actor_id)
  const [stripe_payment] = await stripeOrders.views([id])
  if (!stripe_payment) {
    throw new MedusaError(MedusaError.Types.NOT_FOUND, `There is no Stripe payment ${id}`)
  }
  if (retried.length === 0) {
    throw new MedusaError(
      MedusaError.Types.NOT_ALLOWED,
      `Payment ${id} is not in review: it is ${stripe_payment.status}`,
    )
  }
  res.json({ stripe_payment })
}
