import { addressIn } from "../../launch/shop-api/store-client.ts"
import type { StripeShop } from "./stripe-shop.ts"

/** On a draft, major units. */
export const SHIPPING = 5

/** A draft of a mug, as the admin makes it on the telephone. */
export async function drafted(shop: StripeShop): Promise<string> {
  const address = addressIn("us")
  const { draft_order } = await shop.admin("POST", "/admin/draft-orders", {
    email: "phone@shop.example",
    region_id: shop.seeded.regions.usd?.id,
    sales_channel_id: shop.seeded.salesChannelId,
    items: [{ variant_id: shop.variant("MUG").id, quantity: 1 }],
    shipping_address: address,
    billing_address: address,
    shipping_methods: [
      { name: "Standard", shipping_option_id: shop.seeded.shippingOptionId, amount: SHIPPING },
    ],
  })
  return draft_order.id
}

/** Places a draft; Medusa announces it. */
export async function convert(shop: StripeShop, orderId: string): Promise<void> {
  await shop.admin("POST", `/admin/draft-orders/${orderId}/convert-to-order`)
  await shop.until("the announcement", () => shop.announcements(orderId) || undefined)
}

/** As Medusa's admin does where it makes a payment link. */
export async function askFor(shop: StripeShop, orderId: string, amount: number): Promise<void> {
  await shop.admin("POST", "/admin/payment-collections", { order_id: orderId, amount })
}

/** A payment session for what is not paid yet of an order. Returns its payment intent. */
export async function openSession(
  shop: StripeShop,
  side: "store" | "admin",
  orderId: string,
  capture_method?: "automatic" | "manual",
): Promise<string> {
  const [unpaid] = await shop.rows<{ id: string }>(
    `SELECT collection.id FROM payment_collection AS collection
       JOIN order_payment_collection AS link ON link.payment_collection_id = collection.id
      WHERE link.order_id = $1 AND collection.status = 'not_paid' AND collection.deleted_at IS NULL`,
    [orderId],
  )
  const path = `/${side}/payment-collections/${unpaid?.id}/payment-sessions`
  const body = { provider_id: "pp_stripe_stripe", data: { capture_method } }
  const { payment_collection } = await shop[side]("POST", path, body)
  return payment_collection.payment_sessions[0].data.id
}
