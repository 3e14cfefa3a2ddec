import type { MedusaRequest, MedusaResponse } from "@medusajs/framework/http"
import { STRIPE_ORDERS_MODULE, type StripeOrdersModuleService } from "../../../modules/stripe-orders"

/** For probes and monitoring: 503 where webhooks can't be stored; what only delays orders is no reason to take a process out. */
export async function GET(req: MedusaRequest, res: MedusaResponse): Promise<void> {
  const stripeOrders: StripeOrdersModuleService = req.scope.resolve(STRIPE_ORDERS_MODULE)
  const health = await stripeOrders.health()
  res.set("Cache-Control", "no-store")
  res.status(health.status === "unavailable" ? 503 : 200).json(health)
}
