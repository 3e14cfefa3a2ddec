import type { AuthenticatedMedusaRequest, MedusaResponse } from "@medusajs/framework/http"
import { STRIPE_ORDERS_MODULE, type StripeOrdersModuleService } from "../../../modules/stripe-orders"

/**
 * Answers with the ids of the payments that an action was done about, and the others of `asked` with the state that doesn't
 * allow it; null where there is no such payment.
 */
export async function answerWith(
  req: AuthenticatedMedusaRequest<unknown>,
  res: MedusaResponse,
  asked: string[],
  done: string[],
): Promise<void> {
  const stripeOrders: StripeOrdersModuleService = req.scope.resolve(STRIPE_ORDERS_MODULE)
  const left = asked.filter((id) => !done.includes(id))
  const states = new Map((await stripeOrders.views(left)).map(({ id, status }) => [id, status]))
  res.json({ done, not_done: left.map((id) => ({ id, status: states.get(id) ?? null })) })
}
