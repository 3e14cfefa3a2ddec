import type { AuthenticatedMedusaRequest, MedusaResponse } from "@medusajs/framework/http"
import { STRIPE_ORDERS_MODULE, type StripeOrdersModuleService } from "../../../modules/stripe-orders"
import type { ListStripePayments } from "./query"

/** What became of payments, those that came last first. For administrators, as every route below /admin. */
export async function GET(
  req: AuthenticatedMedusaRequest<unknown, ListStripePayments>,
  res: MedusaResponse,
): Promise<void> {
  const stripeOrders: StripeOrdersModuleService = req.scope.resolve(STRIPE_ORDERS_MODULE)
  const { status, limit, offset } = req.validatedQuery as ListStripePayments
  const [stripe_payments, count] = await stripeOrders.listAndCountStripePayments(
    { ...(status && { status }) },
    { take: limit, skip: offset, order: { arrival: "DESC" } },
  )
  res.json({ stripe_payments, count, limit, offset })
}
