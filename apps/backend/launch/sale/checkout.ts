import type { StripeLocal } from "@holdfast/stripe-local"
import type Stripe from "stripe"
import { shipping } from "../../src/seed/catalog.ts"
import { priceOf } from "../prices.ts"
import { addressIn, type StoreClient } from "../shop-api/store-client.ts"
import { type Buyer, priceInCents } from "./buyers.ts"

/** A checkout at the point where the buyer pays; paying returns the payment's id. */
export interface Checkout {
  pay(): Promise<string>
}

type Purchase = Pick<Buyer, "lines" | "email" | "currency" | "capture"> & {
  /** more of the payment intent's, for the store's own rules */
  metadata?: Record<string, string>
}

export class CheckoutClient {
  readonly #store: StoreClient
  readonly #local: StripeLocal
  readonly #stripe: Stripe

  constructor(store: StoreClient, local: StripeLocal) {
    this.#store = store
    this.#local = local
    this.#stripe = local.client()
  }

  async checkOut(buyer: Buyer): Promise<Checkout> {
    if (buyer.checkout === "session") return await openSession(this.#store, this.#local, buyer)
    const intent = await (buyer.checkout === "cart"
      ? this.#fillCart(buyer)
      : chargeItems(this.#store, this.#stripe, buyer))
    const card = { payment_method: "pm_card_visa" }
    return { pay: async () => (await this.#stripe.paymentIntents.confirm(intent, card)).id }
  }

  async #fillCart({ lines, email, currency, capture, holds }: Buyer): Promise<string> {
    const paymentData = { capture_method: capture }
    const { cartId, session } = await this.#store.checkOut({ lines, email, currency, paymentData })
    if (holds) await this.#store.hold(cartId)
    return session.data.id as string
  }
}

/** A checkout outside Medusa, which only lists the items: makes the payment intent, and returns its id. */
export async function chargeItems(
  store: StoreClient,
  stripe: Stripe,
  { lines, email, currency, capture, metadata }: Purchase,
): Promise<string> {
  const intent = await stripe.paymentIntents.create({
    amount: priceInCents(lines),
    currency,
    capture_method: capture,
    shipping: recipient(),
    metadata: {
      items: JSON.stringify(store.variants(lines)),
      email,
      sales_channel_id: store.seeded.salesChannelId,
      shipping_option_id: store.seeded.shippingOptionId,
      ...metadata,
    },
  })
  return intent.id
}

/** Stripe's own page: a Checkout Session, whose products name the SKUs. */
export async function openSession(
  store: StoreClient,
  local: StripeLocal,
  { lines, email, currency, capture, metadata }: Purchase,
): Promise<Checkout> {
  const session = await local.driver().checkout.sessions.create({
    mode: "payment",
    line_items: lines.map(({ sku, quantity }) => ({
      quantity,
      price_data: {
        currency,
        unit_amount: priceOf([{ sku, quantity: 1 }], currency),
        product_data: { name: sku, metadata: { sku } },
      },
    })),
    payment_intent_data: { capture_method: capture, metadata },
    shipping_address_collection: { allowed_countries: ["US"] },
    shipping_options: [
      {
        shipping_rate_data: {
          display_name: shipping.name,
          type: "fixed_amount",
          fixed_amount: { amount: Math.round(shipping.price.usd * 100), currency },
          metadata: { shipping_option_id: store.seeded.shippingOptionId },
        },
      },
    ],
    metadata: { sales_channel_id: store.seeded.salesChannelId },
    success_url: "https://shop.example/thanks",
  })
  const form = { email, shipping: recipient() }
  return { pay: async () => String(local.buyer.completeCheckout(session.id, form).payment_intent) }
}

/** A link that the shop has put on a page or in a letter: its lines are Stripe's own prices. */
export async function openLink(
  store: StoreClient,
  local: StripeLocal,
  { lines, email, currency, capture, metadata }: Purchase,
): Promise<Checkout> {
  const stripe = local.driver()
  const line_items: Stripe.PaymentLinkCreateParams.LineItem[] = []
  for (const { sku, quantity } of lines) {
    const unit_amount = priceOf([{ sku, quantity: 1 }], currency)
    const product_data = { name: sku, metadata: { sku } }
    const price = await stripe.prices.create({ currency, unit_amount, product_data })
    line_items.push({ price: price.id, quantity })
  }
  const link = await stripe.paymentLinks.create({
    line_items,
    payment_intent_data: { capture_method: capture, metadata },
    metadata: { sales_channel_id: store.seeded.salesChannelId },
  })
  const session = local.buyer.openPaymentLink(link.id)
  return { pay: async () => String(local.buyer.completeCheckout(session.id, { email }).payment_intent) }
}

function recipient() {
  const { address_1: line1, first_name, last_name, city, postal_code, country_code } = addressIn("us")
  return {
    name: `${first_name} ${last_name}`,
    address: { line1, city, postal_code, country: country_code.toUpperCase() },
  }
}
