import type { CreateOrderAddressDTO } from "@medusajs/framework/types"
import type Stripe from "stripe"
import { addressOf } from "./addresses"

/** What Stripe's Checkout tells of a payment: the session with its line items, their prices and products. */
export type CheckoutSession = Stripe.Checkout.Session

/** Whether it is the id of a Checkout Session, and not of a payment intent. */
export function isSessionId(id: string): boolean {
  return id.startsWith("cs_")
}

/** Whether a payment is of a session without a payment intent: nothing was to be paid. */
export function isFreeSession(payment_id: string): boolean {
  return isSessionId(payment_id)
}

/** The cart that a session names as its reference. */
export function cartReferredTo({
  client_reference_id,
}: Partial<Pick<CheckoutSession, "client_reference_id">>): string | null {
  return client_reference_id?.startsWith("cart_") ? client_reference_id : null
}

/**
 * The payment intent that Stripe doesn't make where nothing is to be paid (a discount of 100 %): of 0, and succeeded, so that
 * its order is made as any other.
 */
export function freeIntent(session: CheckoutSession): Stripe.PaymentIntent {
  const { id, created, currency, metadata, livemode, status } = session
  const intent = {
    id,
    object: "payment_intent",
    amount: 0,
    amount_capturable: 0,
    amount_received: 0,
    created,
    currency: currency ?? "",
    livemode,
    metadata: metadata ?? {},
    latest_charge: null,
    payment_method: null,
    receipt_email: null,
    shipping: null,
    status: status === "complete" ? "succeeded" : "canceled",
  }
  return intent as unknown as Stripe.PaymentIntent
}

interface Collected {
  name?: string | null
  address?: Stripe.Address | null
}

/** Where the order is to be shipped; of API versions before 2025-03-31.basil the session has it itself. */
function shippingOf(session: CheckoutSession): Collected | null {
  const { shipping_details } = session as { shipping_details?: Collected | null }
  return session.collected_information?.shipping_details ?? shipping_details ?? null
}

/** The addresses that Checkout collected; the billing address is the shipping address where there is no other. */
export function addressesOf(session: CheckoutSession): {
  shipping_address?: CreateOrderAddressDTO
  billing_address?: CreateOrderAddressDTO
} {
  const { customer_details } = session
  const phone = customer_details?.phone
  const shipping = shippingOf(session)
  const shipping_address = shipping?.address
    ? addressOf(shipping.address, shipping.name ?? customer_details?.name, phone)
    : undefined
  const billing_address = customer_details?.address?.country
    ? addressOf(customer_details.address, customer_details.name, phone)
    : undefined
  return {
    shipping_address,
    billing_address: billing_address ?? (shipping_address && { ...shipping_address }),
  }
}

/** The e-mail address that the buyer gave, or the shop before. */
export function emailOf({ customer_details, customer_email }: CheckoutSession): string | undefined {
  return customer_details?.email ?? customer_email ?? undefined
}

/** What identifies the variant of a line: the first that says something, of the line, its price and its product. */
export interface VariantReference {
  variant_id?: string
  sku?: string
}

/** Metadata `variant_id` or `sku` of the line, its price or its product; else the price's lookup key, as either. */
export function referenceOf({ metadata, price }: Stripe.LineItem): VariantReference | null {
  const product = typeof price?.product === "object" && !price.product.deleted ? price.product : null
  for (const said of [metadata, price?.metadata, product?.metadata]) {
    if (said?.variant_id) {
      return { variant_id: said.variant_id }
    }
    if (said?.sku) {
      return { sku: said.sku }
    }
  }
  const key = price?.lookup_key
  if (!key) {
    return null
  }
  return key.startsWith("variant_") ? { variant_id: key } : { sku: key }
}

export function linesOf({ line_items }: CheckoutSession): Stripe.LineItem[] {
  return line_items?.data ?? []
}
