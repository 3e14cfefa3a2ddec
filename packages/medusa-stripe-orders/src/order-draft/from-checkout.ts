import { OrderStatus } from "@medusajs/framework/utils"
import type Stripe from "stripe"
import { newId } from "../ids"
import { fromMinorUnits, toMinorUnits } from "./amounts"
import { addressesOf, type CheckoutSession, emailOf, linesOf, referenceOf } from "./checkout-session"
import { lineOf } from "./lines"
import { NeedsReview, type OrderData } from "./order-draft"
import { namedCustomer, requireRegion, requireSalesChannel } from "./regions"
import type { CheckoutPayment, Shop } from "./shop"
import { totalOf } from "./total"
import type { Variant } from "./variants"

/**
 * An order as Stripe's Checkout sold it: its lines, and the discounts, taxes, shipping and addresses that it collected. What
 * the buyer was charged is what the order says; the store set these prices in Stripe.
 */
export function orderFromCheckout(payment: CheckoutPayment, shop: Shop): OrderData {
  const order = orderAt(payment, shop, "nominal")
  const { amount, currency } = payment
  // Stripe rounds the tax of each line, Medusa that of none: where it shows, the lines have the rates that give what was paid.
  return toMinorUnits(totalOf(order), currency) === amount ? order : orderAt(payment, shop, "effective")
}

/** The rate that a tax has, or the one that gives exactly the amount of tax. */
type Rates = "nominal" | "effective"

function orderAt(payment: CheckoutPayment, shop: Shop, rates: Rates): OrderData {
  const { session, details } = payment.source
  const { currency } = payment
  const region = requireRegion(shop, payment)
  const order = {
    id: newId("order"),
    status: OrderStatus.PENDING,
    region_id: region.id,
    sales_channel_id: requireSalesChannel(shop, details),
    customer_id: namedCustomer(shop, details),
    email: details.email ?? emailOf(session),
    currency_code: currency,
    ...addressesOf(session),
    no_notification: false,
    items: linesOf(session).map((line) => orderLine(line, variantOf(line, shop), currency, rates)),
    shipping_methods: shippingMethods(session, currency, rates),
    metadata: { stripe_checkout_session: session.id },
  }
  return order as unknown as OrderData
}

function variantOf(line: Stripe.LineItem, { variants, variantsBySku }: Shop): Variant {
  const reference = referenceOf(line)
  const name = `line "${line.description}" of Checkout`
  if (!reference) {
    throw new NeedsReview(
      `${name} names no variant: give its price or product the metadata variant_id or sku, or its price a lookup key`,
    )
  }
  const { variant_id, sku } = reference
  const variant = variant_id ? variants.get(variant_id) : variantsBySku.get(sku ?? "")
  if (!variant) {
    throw new NeedsReview(
      `${name} names ${variant_id ? `variant ${variant_id}` : `SKU ${sku}`}, which does not exist`,
    )
  }
  return variant
}

function orderLine(line: Stripe.LineItem, variant: Variant, currency: string, rates: Rates) {
  const quantity = line.quantity ?? 1
  const sums = {
    subtotal: line.amount_subtotal,
    discount: line.amount_discount,
    tax: line.amount_tax,
    total: line.amount_total,
  }
  const { unit, discount, isInclusive, rate } = ratesOf(
    sums,
    quantity,
    rates === "nominal" ? line.taxes : undefined,
  )
  return {
    ...lineOf(variant, quantity, {
      calculated_amount: fromMinorUnits(unit, currency),
      is_calculated_price_tax_inclusive: isInclusive,
    }),
    adjustments:
      discount > 0
        ? [
            {
              amount: fromMinorUnits(discount, currency),
              code: discountCode(line),
              description: "Discount of Stripe Checkout",
              is_tax_inclusive: isInclusive,
            },
          ]
        : [],
    tax_lines: rate ? [{ id: newId("ordlitxl"), ...rate }] : [],
  }
}

function discountCode({ discounts }: Stripe.LineItem): string | undefined {
  const [first] = discounts ?? []
  const { promotion_code, source } = first?.discount ?? {}
  const code = promotion_code ?? source?.coupon
  return typeof code === "object" ? (code?.id ?? undefined) : code
}

export function shippingMethods(
  { shipping_cost }: CheckoutSession,
  currency: string,
  rates: Rates = "nominal",
) {
  if (!shipping_cost) {
    return []
  }
  const {
    amount_subtotal: subtotal,
    amount_tax: tax,
    amount_total: total,
    shipping_rate,
    taxes,
  } = shipping_cost
  const known = typeof shipping_rate === "object" ? shipping_rate : null
  const { unit, isInclusive, rate } = ratesOf(
    { subtotal, discount: 0, tax, total },
    1,
    rates === "nominal" ? taxes : undefined,
  )
  const method = {
    id: newId("ordsm"),
    name: known?.display_name ?? "Shipping",
    amount: fromMinorUnits(unit, currency),
    is_tax_inclusive: isInclusive,
    shipping_option_id: known?.metadata?.shipping_option_id,
    data: {},
    tax_lines: rate ? [{ id: newId("ordsmtxl"), ...rate }] : [],
    adjustments: [],
  }
  return [method]
}

/** Minor units, as Stripe gives them for a line or for the shipping. */
interface Sums {
  subtotal: number
  discount: number
  tax: number
  total: number
}

interface TaxRate {
  rate: number
  code: string
  description?: string
}

/**
 * The same as Medusa reckons: a price for each unit, a discount, and a rate of tax, inclusive or not. A line with taxes of both
 * kinds, or of an amount that no rate gives, is written without what is included, at the rate that gives the amount.
 */
function ratesOf(
  { subtotal, discount, tax, total }: Sums,
  quantity: number,
  taxes: { rate: Stripe.TaxRate }[] | undefined,
): { unit: number; discount: number; isInclusive: boolean; rate: TaxRate | null } {
  const isInclusive = tax > 0 && total === subtotal - discount
  const isExclusive = total === subtotal - discount + tax
  const net = total - tax
  // Of a line with both kinds: what is left without any tax, the discount included.
  const base = isInclusive || isExclusive ? subtotal : net + discount
  const known = taxes?.length === 1 ? taxes[0]?.rate : undefined
  const nominal = known?.percentage
  const gives = (percent: number) => Math.round((net * percent) / 100) === tax
  const rate = nominal !== undefined && gives(nominal) ? nominal : net > 0 ? (tax / net) * 100 : 0
  return {
    unit: base / quantity,
    discount,
    isInclusive,
    rate:
      tax > 0
        ? { rate, code: known?.id ?? "stripe", description: known?.display_name ?? "Tax of Stripe" }
        : null,
  }
}
