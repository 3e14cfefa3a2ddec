import type { SubscriberArgs, SubscriberConfig } from "@medusajs/framework"
import { PAYMENT_DUE, processInbox } from "../inbox"

/** The quick way: an event has just been stored. The job `process-stripe-inbox` is the sure one. */
export default async function paymentDue({ container }: SubscriberArgs): Promise<void> {
  await processInbox(container)
}

export const config: SubscriberConfig = {
  event: PAYMENT_DUE,
  context: { subscriberId: "stripe-payment-due" },
}
