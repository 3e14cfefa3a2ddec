import { join } from "node:path"
import { type StripeLocal, startStripeLocal } from "@holdfast/stripe-local"
import { data } from "./paths.ts"
import type { Shutdown } from "./shutdown.ts"

export const HOOK = "/hooks/stripe"

/** A local Stripe in this process; it keeps its payments in `.data`, where the shop keeps its orders. */
export async function openLocalStripe(shutdown: Shutdown): Promise<StripeLocal> {
  const stripe = await startStripeLocal({ stateFile: join(data, "stripe.json") })
  shutdown.add(() => stripe.close())
  return stripe
}

/** Sends webhooks to this address, and no longer to the shop's address of an earlier start. */
export async function listen(stripe: StripeLocal, url: string, secret: string): Promise<void> {
  const { webhookEndpoints } = stripe.client()
  for await (const endpoint of webhookEndpoints.list()) {
    if (endpoint.url !== url && endpoint.url.endsWith(HOOK)) await webhookEndpoints.del(endpoint.id)
  }
  stripe.addWebhookEndpoint({ url, secret })
}
