import type { AuthenticatedMedusaRequest, MedusaResponse } from "@medusajs/framework/http"
import { ContainerRegistrationKeys } from "@medusajs/framework/utils"
import { STRIPE_ORDERS_MODULE, type StripeOrdersModuleService } from "../../../modules/stripe-orders"
import type { ListStripePayments } from "./query"
import { withOrderNumbers } from "./with-orders"

/** What became of payments, the newest first. For administrators, as every route below /admin. */
export async function GET(
  req: AuthenticatedMedusaRequest<unknown, ListStripePayments>,
  res: MedusaResponse,
): Promise<void> {
  const stripeOrders: StripeOrdersModuleService = req.scope.resolve(STRIPE_ORDERS_MODULE)
  const { status, kind, q, reason, limit, before } = req.validatedQuery as ListStripePayments
  const found = await stripeOrders.search({
    states: status,
    kind,
    q,
    reason,
    orderIds: await orderIds(req, q),
    limit,
    before,
  })
  const stripe_payments = await withOrderNumbers(req.scope, found.stripe_payments)
  res.json({ ...found, stripe_payments, limit })
}

/** The orders of this number, which a person reads in the admin: `#1042` or `1042`. */
async function orderIds(req: AuthenticatedMedusaRequest, q = ""): Promise<string[]> {
  const number = /^#?(\d{1,9})$/.exec(q)?.[1]
  if (!number) {
    return []
  }
  const query = req.scope.resolve(ContainerRegistrationKeys.QUERY)
  const { data } = await query.graph({
    entity: "order",
    fields: ["id"],
    filters: { display_id: Number(number) },
  })
  return data.map(({ id }) => id)
}
