import type { SubscriberArgs, SubscriberConfig } from "@medusajs/framework"
import { CartWorkflowEvents } from "@medusajs/framework/utils"
import { STRIPE_ORDERS_MODULE, type StripeOrdersModuleService } from "../modules/stripe-orders"

/**
 * A cart that changed gives back what it has no more, and its buyer is at work on it: its hold is renewed. For carts without
 * a hold this is one look at an index. An event that the store's bus loses does no harm: the order takes what it needs, and
 * the rest is given back.
 */
export default async function cartUpdated({
  event,
  container,
}: SubscriberArgs<{ id: string }>): Promise<void> {
  const { holds }: StripeOrdersModuleService = container.resolve(STRIPE_ORDERS_MODULE)
  await holds?.quietly(holds.cartChanged(event.data.id))
}

export const config: SubscriberConfig = { event: CartWorkflowEvents.UPDATED }
