import type { CreateOrderAddressDTO } from "@medusajs/framework/types"
import { OrderStatus } from "@medusajs/framework/utils"
import type Stripe from "stripe"
import { newId } from "../ids"
import { chargeOf } from "../stripe-objects"
import { NeedsReview, type OrderData, type OrderDetails } from "./order-draft"
import { type ItemsPayment, type Price, type Region, regionOf, type Shop } from "./shop"
import type { Variant } from "./variants"

/**
 * An order for a checkout outside Medusa: the payment names variants and quantities, the shop says what they
 * cost. Prices are never taken from the payment; whether they meet is checked afterwards. Tax lines are added to the
 * whole batch.
 */
export function orderFromItems(payment: ItemsPayment, shop: Shop): OrderData {
  const { items, details } = payment.source
  const { intent } = payment
  const region = requireRegion(shop, payment)
  const address = shippingAddress(intent)
  const order = {
    id: newId("order"),
    status: OrderStatus.PENDING,
    region_id: region.id,
    sales_channel_id: requireSalesChannel(shop, details),
    customer_id: details.customer_id,
    email: emailOf(intent, details),
    currency_code: payment.currency,
    shipping_address: address,
    billing_address: billingAddress(intent) ?? (address && { ...address }),
    no_notification: false,
    items: items.map(({ variant_id, quantity }) => pricedLine(shop, region, variant_id, quantity)),
    shipping_methods: shippingMethods(shop, region, details.shipping_option_id),
  }
  return order as unknown as OrderData
}

/**
 * Whether Stripe has to be asked for what the event leaves out: an event names the charge, whose billing details are the
 * last place to look for the buyer's e-mail and address.
 */
export function lacksCharge({ intent, source }: ItemsPayment, billing: "shipping" | "card"): boolean {
  const isKnown = typeof intent.latest_charge === "object" || !intent.latest_charge
  return !isKnown && (billing === "card" || !intent.shipping?.address || !emailOf(intent, source.details))
}

function requireRegion(shop: Shop, payment: ItemsPayment): Region {
  const region = regionOf(shop, payment)
  if (!region) {
    const { region_id } = payment.source.details
    throw new NeedsReview(
      region_id ? `region ${region_id} does not exist` : `no region sells in ${payment.currency}`,
    )
  }
  return region
}

function requireSalesChannel({ defaultSalesChannel }: Shop, details: OrderDetails): string {
  const id = details.sales_channel_id ?? defaultSalesChannel
  if (!id) {
    throw new NeedsReview("the payment names no sales_channel_id and the store has no default sales channel")
  }
  return id
}

function pricedLine({ variants, prices }: Shop, region: Region, variant_id: string, quantity: number) {
  const variant = variants.get(variant_id)
  if (!variant) {
    throw new NeedsReview(`variant ${variant_id} does not exist`)
  }
  const price = prices.get(region.id)?.get(variant_id)
  if (price?.calculated_amount == null) {
    throw new NeedsReview(`variant ${variant_id} has no price in ${region.currency_code}`)
  }
  return lineOf(variant, quantity, price as Price & { calculated_amount: number })
}

function lineOf(variant: Variant, quantity: number, price: Price & { calculated_amount: number }) {
  const { product } = variant
  return {
    id: newId("ordli"),
    title: product?.title ?? variant.title ?? variant.id,
    subtitle: variant.title,
    thumbnail: variant.thumbnail ?? product?.thumbnail,
    quantity,
    product_id: product?.id,
    product_title: product?.title,
    product_description: product?.description,
    product_subtitle: product?.subtitle,
    product_type: product?.type?.value,
    product_type_id: product?.type?.id,
    product_collection: product?.collection?.title,
    product_handle: product?.handle,
    variant_id: variant.id,
    variant_sku: variant.sku,
    variant_barcode: variant.barcode,
    variant_title: variant.title,
    requires_shipping: needsShipping(variant),
    is_discountable: product?.discountable,
    is_giftcard: product?.is_giftcard ?? false,
    is_tax_inclusive: price.is_calculated_price_tax_inclusive,
    unit_price: price.calculated_amount,
    metadata: {},
    tax_lines: [],
    adjustments: [],
  }
}

/** As Medusa decides it: a shipping profile, or an inventory item that has to be shipped. */
function needsShipping(variant: Variant): boolean {
  const shipped = variant.inventory_items?.some(({ inventory }) => inventory?.requires_shipping)
  return Boolean(variant.product?.shipping_profile ?? shipped)
}

function shippingMethods(shop: Shop, region: Region, optionId: string | undefined) {
  if (!optionId) {
    return []
  }
  const option = shop.shippingOptions.get(region.id)?.get(optionId)
  const price = option?.calculated_price
  if (!option || price?.calculated_amount == null) {
    const why = option ? `has no flat price in ${region.currency_code}` : "does not exist"
    throw new NeedsReview(`shipping option ${optionId} ${why}`)
  }
  const method = {
    id: newId("ordsm"),
    name: option.name,
    amount: price.calculated_amount,
    is_tax_inclusive: price.is_calculated_price_tax_inclusive,
    shipping_option_id: option.id,
    data: {},
    tax_lines: [],
    adjustments: [],
  }
  return [method]
}

function emailOf(intent: Stripe.PaymentIntent, details: OrderDetails): string | undefined {
  return details.email ?? intent.receipt_email ?? chargeOf(intent)?.billing_details.email ?? undefined
}

function shippingAddress({ shipping }: Stripe.PaymentIntent): CreateOrderAddressDTO | undefined {
  return shipping?.address ? addressOf(shipping.address, shipping.name, shipping.phone) : undefined
}

function billingAddress(intent: Stripe.PaymentIntent): CreateOrderAddressDTO | undefined {
  const details = chargeOf(intent)?.billing_details
  return details?.address?.country ? addressOf(details.address, details.name, details.phone) : undefined
}

function addressOf(
  address: Stripe.Address,
  name?: string | null,
  phone?: string | null,
): CreateOrderAddressDTO {
  const [first_name, ...rest] = (name ?? "").split(" ")
  return {
    first_name: first_name || undefined,
    last_name: rest.join(" ") || undefined,
    phone: phone ?? undefined,
    address_1: address.line1 ?? undefined,
    address_2: address.line2 ?? undefined,
    city: address.city ?? undefined,
    province: address.state ?? undefined,
    postal_code: address.postal_code ?? undefined,
    country_code: address.country?.toLowerCase(),
  }
}
