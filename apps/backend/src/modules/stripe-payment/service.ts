import { createRequire } from "node:module"
import { StripeProviderService } from "@medusajs/payment-stripe/dist/services"

type Arguments = ConstructorParameters<typeof StripeProviderService>
type Address = { host?: string; port?: number; protocol?: "http" | "https" }

// The provider depends on an older version of the client, and its requests are written for that version.
const Client = createRequire(require.resolve("@medusajs/payment-stripe"))("stripe")

/**
 * Medusa's Stripe provider with a client that can be pointed at another host, so that captures and refunds made
 * in the admin reach local Stripe too.
 */
export class LocalStripeProvider extends StripeProviderService {
  static override identifier = "stripe"

  constructor(container: Arguments[0], { host, port, protocol, ...options }: Arguments[1] & Address) {
    super(container, options)
    if (host) this.stripe_ = new Client(options.apiKey, { host, port, protocol })
  }
}
