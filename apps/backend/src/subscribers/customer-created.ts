import type { SubscriberArgs, SubscriberConfig } from "@medusajs/framework"
import { ContainerRegistrationKeys } from "@medusajs/framework/utils"

/** Where a real shop would send its welcome. */
export default async function customerCreated({
  event,
  container,
}: SubscriberArgs<{ id: string }>): Promise<void> {
  container.resolve(ContainerRegistrationKeys.LOGGER).info(`Customer created: ${event.data.id}`)
}

export const config: SubscriberConfig = { event: "customer.created" }
