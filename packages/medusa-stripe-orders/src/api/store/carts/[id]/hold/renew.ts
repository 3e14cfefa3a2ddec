import type { MedusaNextFunction, MedusaRequest, MedusaResponse } from "@medusajs/framework/http"
import { STRIPE_ORDERS_MODULE, type StripeOrdersModuleService } from "../../../../../modules/stripe-orders"

/** A buyer who begins to pay has the whole time for it: Medusa emits no event of a payment session. */
export function renewHoldWhenPaying(req: MedusaRequest, res: MedusaResponse, next: MedusaNextFunction): void {
  const { holds }: StripeOrdersModuleService = req.scope.resolve(STRIPE_ORDERS_MODULE)
  if (holds) {
    res.once("finish", () => {
      if (res.statusCode < 400) {
        void holds.quietly(holds.paymentStarted(req.params.id ?? ""))
      }
    })
  }
  next()
}
