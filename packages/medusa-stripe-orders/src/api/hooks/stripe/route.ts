import type { MedusaRequest, MedusaResponse } from "@medusajs/framework/http"
import { Modules } from "@medusajs/framework/utils"
import { PAYMENT_DUE } from "../../../inbox"
import type { StripeOrdersModuleService } from "../../../modules/stripe-orders"
import { STRIPE_ORDERS_MODULE } from "../../../modules/stripe-orders"

/** Verify, store, answer. What follows works from the table, so nothing is lost whenever the process dies. */
export async function POST(req: MedusaRequest, res: MedusaResponse): Promise<void> {
  const stripeOrders: StripeOrdersModuleService = req.scope.resolve(STRIPE_ORDERS_MODULE)
  const event = stripeOrders.verify(req.rawBody as Buffer | undefined, req.headers["stripe-signature"])
  const { due } = await stripeOrders.receive(event)
  res.status(200).json({ received: true })
  if (due) {
    await req.scope.resolve(Modules.EVENT_BUS).emit({ name: PAYMENT_DUE, data: {} })
  }
}
