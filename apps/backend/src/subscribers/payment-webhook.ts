import type { SubscriberArgs, SubscriberConfig } from "@medusajs/framework"
import { ContainerRegistrationKeys, Modules, PaymentWebhookEvents } from "@medusajs/framework/utils"
import { processPaymentWorkflowId } from "@medusajs/medusa/core-flows"

let isTold = false

/** Medusa's own webhook endpoint answers long before it works, and tells of its work nowhere else. */
export default async function paymentWebhook({ container }: SubscriberArgs<unknown>): Promise<void> {
  if (isTold) return
  isTold = true
  const logger = container.resolve(ContainerRegistrationKeys.LOGGER)
  await container.resolve(Modules.WORKFLOW_ENGINE).subscribe({
    workflowId: processPaymentWorkflowId,
    subscriber: ({ eventType }: { eventType: string }) => {
      if (eventType === "onFinish") logger.info("Medusa's own webhook is worked through")
    },
  })
}

export const config: SubscriberConfig = { event: PaymentWebhookEvents.WebhookReceived }
