import type Stripe from "stripe"
import { addressIn, type StoreClient } from "../shop-api/store-client.ts"
import { type Buyer, priceInCents } from "./buyers.ts"

export class CheckoutClient {
  readonly #store: StoreClient
  readonly #stripe: Stripe

  constructor(store: StoreClient, stripe: Stripe) {
    this.#store = store
    this.#stripe = stripe
  }

  /** A checkout up to the point where the buyer pays. Returns the id of the payment intent. */
  checkOut(buyer: Buyer): Promise<string> {
    return buyer.checkout === "cart" ? this.#fillCart(buyer) : chargeItems(this.#store, this.#stripe, buyer)
  }

  async #fillCart({ lines, email, currency, capture }: Buyer): Promise<string> {
    const paymentData = { capture_method: capture }
    const { session } = await this.#store.checkOut({ lines, email, currency, paymentData })
    return session.data.id as string
  }
}

/** A checkout outside Medusa, which only lists the items: makes the payment intent, and returns its id. */
export async function chargeItems(
  store: StoreClient,
  stripe: Stripe,
  { lines, email, currency, capture }: Pick<Buyer, "lines" | "email" | "currency" | "capture">,
): Promise<string> {
  const { address_1: line1, first_name, last_name, city, postal_code, country_code } = addressIn("us")
  const intent = await stripe.paymentIntents.create({
    amount: priceInCents(lines),
    currency,
    capture_method: capture,
    shipping: {
      name: `${first_name} ${last_name}`,
      address: { line1, city, postal_code, country: country_code.toUpperCase() },
    },
    metadata: {
      items: JSON.stringify(store.variants(lines)),
      email,
      sales_channel_id: store.seeded.salesChannelId,
      shipping_option_id: store.seeded.shippingOptionId,
    },
  })
  return intent.id
}
