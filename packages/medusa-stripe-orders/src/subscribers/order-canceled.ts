import type { SubscriberArgs, SubscriberConfig } from "@medusajs/framework"
import { OrderWorkflowEvents } from "@medusajs/framework/utils"
import { STRIPE_ORDERS_MODULE, type StripeOrdersModuleService } from "../modules/stripe-orders"

/**
 * An order that is canceled while its capture is under way, or while Stripe can't be reached, leaves money behind: its
 * payments are looked at again. The store's bus only brings the news early; `reconcile` finds what it loses.
 */
export default async function orderCanceled({
  event,
  container,
}: SubscriberArgs<{ id: string }>): Promise<void> {
  const stripeOrders: StripeOrdersModuleService = container.resolve(STRIPE_ORDERS_MODULE)
  await stripeOrders.lookAgain([event.data.id])
}

export const config: SubscriberConfig = { event: OrderWorkflowEvents.CANCELED }
