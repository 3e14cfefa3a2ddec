import type { MedusaContainer } from "@medusajs/framework/types"
import { processInbox } from "../inbox"

/**
 * The sure way: takes up what is due after a back-off, after a crash, or where the wake-up was lost. While
 * nothing is due it costs one look at a small index.
 */
export default async function processStripeInbox(container: MedusaContainer): Promise<void> {
  await processInbox(container)
}

export const config = { name: "process-stripe-inbox", schedule: "*/2 * * * * *" }
