import type { AuthenticatedMedusaRequest, MedusaResponse } from "@medusajs/framework/http"
import { STRIPE_ORDERS_MODULE, type StripeOrdersModuleService } from "../../../../modules/stripe-orders"
import type { RetryStripePayments } from "./body"

/** Takes up again several payments that wait for a person, or all of a kind. Answers with what was taken up, and what not. */
export async function POST(
  req: AuthenticatedMedusaRequest<RetryStripePayments>,
  res: MedusaResponse,
): Promise<void> {
  const stripeOrders: StripeOrdersModuleService = req.scope.resolve(STRIPE_ORDERS_MODULE)
  const { ids, status, reason } = req.validatedBody
  const person = req.auth_context.actor_id
  const retried = await stripeOrders.retry(ids ?? { status, reason }, person)
  const left = (ids ?? []).filter((id) => !retried.includes(id))
  const known = new Map((await stripeOrders.views(left)).map((view) => [view.id, view.status]))
  res.json({ retried, not_retried: left.map((id) => ({ id, status: known.get(id) ?? null })) })
}
