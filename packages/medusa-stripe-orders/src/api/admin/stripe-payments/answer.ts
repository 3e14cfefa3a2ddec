import type { AuthenticatedMedusaRequest, MedusaResponse } from "@medusajs/framework/http"
import { MedusaError } from "@medusajs/framework/utils"
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

/**
 * Answers with the one payment that an action was asked for, as it is now.
 *
 * @throws MedusaError `not_found` where there is none, `not_allowed` where its state doesn't allow it
 */
export async function answerWithOne(
  req: AuthenticatedMedusaRequest<unknown>,
  res: MedusaResponse,
  id: string,
  done: string[],
): Promise<void> {
  const stripeOrders: StripeOrdersModuleService = req.scope.resolve(STRIPE_ORDERS_MODULE)
  const [stripe_payment] = await stripeOrders.views([id])
  if (!stripe_payment) {
    throw new MedusaError(MedusaError.Types.NOT_FOUND, `There is no Stripe payment ${id}`)
  }
  if (done.length === 0) {
    throw new MedusaError(
      MedusaError.Types.NOT_ALLOWED,
      `Payment ${id} is not in review: it is ${stripe_payment.status}`,
    )
  }
  res.json({ stripe_payment })
}
