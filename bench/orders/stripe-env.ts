import type { StripeLocal } from "@holdfast/stripe-local"

export const SECRET = "whsec_for_the_bench"

/** What the shop reads to come to this local Stripe. */
export function stripeEnv(stripe: StripeLocal): Record<string, string> {
  return {
    STRIPE_API_KEY: stripe.apiKey,
    STRIPE_HOST: stripe.host,
    STRIPE_PORT: String(stripe.port),
    STRIPE_WEBHOOK_SECRET: SECRET,
  }
}
