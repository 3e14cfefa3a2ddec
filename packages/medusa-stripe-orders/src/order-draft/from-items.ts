import type { CreateOrderAddressDTO } from "@medusajs/framework/types"
import { OrderStatus } from "@medusajs/framework/utils"
import type Stripe from "stripe"
import { newId } from "../ids"
import type { Item } from "../items-metadata"
import { chargeOf } from "../stripe-objects"
import { addressOf } from "./addresses"
import { addressesOf, emailOf as checkoutEmailOf } from "./checkout-session"
import { shippingMethods as shippingMethodsOf } from "./from-checkout"
import { lineOf } from "./lines"
import { NeedsReview, type OrderData } from "./order-draft"
import type { Price } from "./prices"
import { namedCustomer, requireRegion, requireSalesChannel } from "./regions"
import type { ItemsPayment, Shop } from "./shop"

/**
 * An order for a checkout outside Medusa: the payment names variants and quantities, the shop says what they
 * cost. Prices are never taken from the payment; whether they meet is checked afterwards. Tax lines are added to the
 * whole batch.
 */
export function orderFromItems(payment: ItemsPayment, shop: Shop): OrderData {
  const { items, details } = payment.source
  const { intent, checkout } = payment
  const region = requireRegion(shop, payment)
  const address = shippingAddress(intent) ?? (checkout ? addressesOf(checkout).shipping_address : undefined)
  const order = {
    id: newId("order"),
    status: OrderStatus.PENDING,
    region_id: region.id,
    sales_channel_id: requireSalesChannel(shop, details),
    customer_id: namedCustomer(shop, details),
    email: emailOf(payment),
    currency_code: payment.currency,
    shipping_address: address,
    billing_address: billingAddress(intent) ?? (address && { ...address }),
    no_notification: false,
    items: items.map((item) => pricedLine(shop, payment, item)),
    shipping_methods: details.shipping_option_id
      ? [shippingMethod(shop, payment, details.shipping_option_id)]
      : checkout
        ? shippingMethodsOf(checkout, payment.currency)
        : [],
  }
  return order as unknown as OrderData
}

/**
 * Whether Stripe has to be asked for what the event leaves out: an event names the charge, whose billing details are the
 * last place to look for the buyer's e-mail and address.
 */
export function lacksCharge(payment: ItemsPayment, billing: "shipping" | "card"): boolean {
  const { latest_charge, shipping } = payment.intent
  const isKnown = typeof latest_charge === "object" || !latest_charge
  return !isKnown && (billing === "card" || !shipping?.address || !emailOf(payment))
}

function pricedLine(shop: Shop, payment: ItemsPayment, { variant_id, quantity }: Item) {
  const variant = shop.variants.get(variant_id)
  if (!variant) {
    throw new NeedsReview(`variant ${variant_id} does not exist`)
  }
  const price = shop.prices.of(payment, variant_id, quantity)
  if (price?.calculated_amount == null) {
    throw new NeedsReview(`variant ${variant_id} has no price in ${payment.currency}`)
  }
  return lineOf(variant, quantity, price as Price & { calculated_amount: number })
}

function shippingMethod(shop: Shop, payment: ItemsPayment, optionId: string) {
  const option = shop.prices.shippingOption(payment, optionId)
  const price = option?.calculated_price
  if (!option || price?.calculated_amount == null) {
    const why = option ? `has no flat price in ${payment.currency}` : "does not exist"
    throw new NeedsReview(`shipping option ${optionId} ${why}`)
  }
  return {
    id: newId("ordsm"),
    name: option.name,
    amount: price.calculated_amount,
    is_tax_inclusive: price.is_calculated_price_tax_inclusive,
    shipping_option_id: option.id,
    data: {},
    tax_lines: [],
    adjustments: [],
  }
}

/** The buyer's e-mail address: as the shop named it, or wherever the buyer gave it. */
export function emailOf({ intent, checkout, source }: ItemsPayment): string | undefined {
  const charge = chargeOf(intent)
  return (
    source.details.email ||
    intent.receipt_email ||
    (checkout && checkoutEmailOf(checkout)) ||
    charge?.billing_details.email ||
    undefined
  )
}

function shippingAddress({ shipping }: Stripe.PaymentIntent): CreateOrderAddressDTO | undefined {
  return shipping?.address ? addressOf(shipping.address, shipping.name, shipping.phone) : undefined
}

function billingAddress(intent: Stripe.PaymentIntent): CreateOrderAddressDTO | undefined {
  const details = chargeOf(intent)?.billing_details
  return details?.address?.country ? addressOf(details.address, details.name, details.phone) : undefined
}
