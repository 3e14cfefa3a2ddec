import type { AuthenticatedMedusaRequest, MedusaResponse } from "@medusajs/framework/http"
import { MedusaError, Modules } from "@medusajs/framework/utils"
import { PAYMENT_DUE } from "../../../../../inbox"
import { STRIPE_ORDERS_MODULE, type StripeOrdersModuleService } from "../../../../../modules/stripe-orders"

/** Takes up again a payment that waits for a person. Answers with it as it is then: the rest takes a moment. */
export async function POST(req: AuthenticatedMedusaRequest, res: MedusaResponse): Promise<void> {
  const { id = "" } = req.params
  const stripeOrders: StripeOrdersModuleService = req.scope.resolve(STRIPE_ORDERS_MODULE)
  const retried = await stripeOrders.retry([id])
  const stripe_payment = await stripeOrders.retrieveStripePayment(id)
  if (retried.length === 0) {
    throw new MedusaError(
      MedusaError.Types.NOT_ALLOWED,
      `Payment ${id} does not wait for a person: it is ${stripe_payment.status}`,
    )
  }
  await req.scope.resolve(Modules.EVENT_BUS).emit({ name: PAYMENT_DUE, data: {} })
  res.json({ stripe_payment })
}
