import type { BusEventData } from "@holdfast/medusa-stripe-orders/modules/stripe-orders"
import type { SubscriberArgs, SubscriberConfig } from "@medusajs/framework"
import { ContainerRegistrationKeys } from "@medusajs/framework/utils"

/** Where a real shop would write to the buyer, or to the one who looks at reviews and disputes. */
export default async function stripePayment({
  event: { name, data },
  container,
}: SubscriberArgs<BusEventData>): Promise<void> {
  container.resolve(ContainerRegistrationKeys.LOGGER).info(`${name}: ${JSON.stringify(data)}`)
}

export const config: SubscriberConfig = {
  event: [
    "stripe_payment.ordered",
    "stripe_payment.completed",
    "stripe_payment.sold_out",
    "stripe_payment.review",
    "stripe_payment.refunded",
    "stripe_payment.canceled",
    "stripe_payment.disputed",
  ],
}
