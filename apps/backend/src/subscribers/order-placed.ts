import type { SubscriberArgs, SubscriberConfig } from "@medusajs/framework"
import { ContainerRegistrationKeys } from "@medusajs/framework/utils"

/** Where a real shop would send its confirmation. */
export default async function orderPlaced({
  event,
  container,
}: SubscriberArgs<{ id: string }>): Promise<void> {
  container.resolve(ContainerRegistrationKeys.LOGGER).info(`Order placed: ${event.data.id}`)
}

export const config: SubscriberConfig = { event: "order.placed" }
