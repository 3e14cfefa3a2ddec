import { StripeProviderService } from "@medusajs/payment-stripe/dist/services"

type Arguments = ConstructorParameters<typeof StripeProviderService>
type Place = { host?: string; port?: number; protocol?: "http" | "https" }

/**
 * Medusa's Stripe provider, with a client that can be pointed at another host: captures and refunds that are
 * made in the admin then reach local Stripe too.
 */
export class LocalStripeProvider extends StripeProviderService {
  static override identifier = "stripe"

  constructor(container: Arguments[0], { host, port, protocol, ...options }: Arguments[1] & Place) {
    super(container, options)
    if (host) this.pointTo({ host, port, protocol })
  }

  // The provider brings its own, older, version of the client, and its requests are written for that one.
  private pointTo(place: Place) {
    const Client = this.stripe_.constructor as new (key: string, config: Place) => typeof this.stripe_
    this.stripe_ = new Client(this.options.apiKey, place)
  }
}
