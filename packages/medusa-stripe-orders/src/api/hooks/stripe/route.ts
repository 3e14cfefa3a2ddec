import type { MedusaRequest, MedusaResponse } from "@medusajs/framework/http"
import { STRIPE_ORDERS_MODULE, type StripeOrdersModuleService } from "../../../modules/stripe-orders"

/** Verify, store, answer. What follows works from the table, so nothing is lost whenever the process dies. */
export async function POST(req: MedusaRequest, res: MedusaResponse): Promise<void> {
  const stripeOrders: StripeOrdersModuleService = req.scope.resolve(STRIPE_ORDERS_MODULE)
  const signed = stripeOrders.verify(req.rawBody as Buffer | undefined, req.headers["stripe-signature"])
  await stripeOrders.receive(signed)
  res.status(200).json({ received: true })
}
