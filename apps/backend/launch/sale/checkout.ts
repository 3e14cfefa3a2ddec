import type Stripe from "stripe"
import type { Seeded } from "../seeded.ts"
import { type Buyer, priceInCents } from "./buyers.ts"

export interface CheckoutClient {
  shopUrl: string
  seeded: Seeded
  stripe: Stripe
}

/** A checkout up to the point where the buyer pays. Returns the id of the payment intent. */
export function checkOut(client: CheckoutClient, buyer: Buyer): Promise<string> {
  return buyer.checkout === "cart" ? fillCart(client, buyer) : chargeItems(client, buyer)
}

// The four requests of a storefront; Medusa's Stripe provider makes the payment intent in the last.
async function fillCart({ shopUrl, seeded }: CheckoutClient, buyer: Buyer): Promise<string> {
  const post = storeApi(shopUrl, seeded.publishableKey)
  const region = seeded.regions[buyer.currency]
  const address = addressIn(region?.countries[0] ?? "us")
  const { cart } = await post<{ cart: { id: string } }>("/store/carts", {
    region_id: region?.id,
    email: buyer.email,
    items: variantsOf(seeded, buyer),
    shipping_address: address,
    billing_address: address,
  })
  await post(`/store/carts/${cart.id}/shipping-methods`, { option_id: seeded.shippingOptionId })
  const created = await post<Collection>("/store/payment-collections", { cart_id: cart.id })
  const sessions = `/store/payment-collections/${created.payment_collection.id}/payment-sessions`
  const data = { capture_method: buyer.capture }
  const { payment_collection } = await post<Collection>(sessions, { provider_id: "pp_stripe_stripe", data })
  return payment_collection.payment_sessions[0]?.data.id as string
}

interface Collection {
  payment_collection: { id: string; payment_sessions: { data: { id: string } }[] }
}

async function chargeItems({ seeded, stripe }: CheckoutClient, buyer: Buyer): Promise<string> {
  const { address_1: line1, first_name, last_name, city, postal_code, country_code } = addressIn("us")
  const intent = await stripe.paymentIntents.create({
    amount: priceInCents(buyer.lines),
    currency: buyer.currency,
    capture_method: buyer.capture,
    shipping: {
      name: `${first_name} ${last_name}`,
      address: { line1, city, postal_code, country: country_code.toUpperCase() },
    },
    metadata: {
      items: JSON.stringify(variantsOf(seeded, buyer)),
      email: buyer.email,
      sales_channel_id: seeded.salesChannelId,
      shipping_option_id: seeded.shippingOptionId,
    },
  })
  return intent.id
}

function variantsOf(seeded: Seeded, { lines }: Buyer) {
  return lines.map(({ sku, quantity }) => ({ variant_id: seeded.variants[sku]?.id, quantity }))
}

function addressIn(country_code: string) {
  const name = { first_name: "Grace", last_name: "Darling" }
  return { ...name, address_1: "1 Harbour Road", city: "Bamburgh", postal_code: "04101", country_code }
}

function storeApi(shopUrl: string, publishableKey: string) {
  return async <T>(path: string, body: unknown): Promise<T> => {
    const response = await fetch(`${shopUrl}${path}`, {
      method: "POST",
      headers: { "content-type": "application/json", "x-publishable-api-key": publishableKey },
      body: JSON.stringify(body),
    })
    if (!response.ok) throw new Error(`POST ${path}: ${response.status} ${await response.text()}`)
    return (await response.json()) as T
  }
}
