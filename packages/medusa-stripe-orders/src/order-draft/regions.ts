import { chargeOf } from "../stripe-objects"
import { addressesOf } from "./checkout-session"
import { NeedsReview, type OrderDetails } from "./order-draft"
import type { Shop, UncartedPayment } from "./shop"

export interface Region {
  id: string
  currency_code: string
  automatic_taxes: boolean
  countries?: { iso_2: string }[]
}

type Regions = Pick<Shop, "regions" | "defaultRegion">

/**
 * The region whose prices a payment without a cart has: the one that it names, else the one that sells in its currency to the
 * country where it is shipped, or billed. Where none does, the only one of the currency, or the store's default.
 */
export function regionOf({ regions, defaultRegion }: Regions, payment: UncartedPayment): Region | undefined {
  const { region_id } = payment.source.details
  if (region_id) {
    return regions.find(({ id }) => id === region_id)
  }
  const ofCurrency = regions.filter(({ currency_code }) => currency_code === payment.currency)
  const country = countryOf(payment)
  const ofCountry = ofCurrency.find(({ countries }) => countries?.some(({ iso_2 }) => iso_2 === country))
  const byDefault = ofCurrency.find(({ id }) => id === defaultRegion)
  return ofCountry ?? (ofCurrency.length === 1 || !country ? (byDefault ?? ofCurrency[0]) : undefined)
}

export function requireRegion(shop: Regions, payment: UncartedPayment): Region {
  const region = regionOf(shop, payment)
  const { region_id } = payment.source.details
  if (region && region.currency_code !== payment.currency) {
    const [sells, paid] = [region.currency_code, payment.currency].map((code) => code.toUpperCase())
    throw new NeedsReview(`region ${region.id} sells in ${sells}, but the payment is in ${paid}`)
  }
  if (region) {
    return region
  }
  if (region_id) {
    throw new NeedsReview(`region ${region_id} does not exist`)
  }
  const sells = shop.regions.some(({ currency_code }) => currency_code === payment.currency)
  const where = sells ? ` to ${countryOf(payment)?.toUpperCase()}, and several do elsewhere` : ""
  throw new NeedsReview(`no region sells in ${payment.currency}${where}`)
}

/** The customer that the payment names. It may be one of Stripe's, whose ids begin with `cus_` as Medusa's do. */
export function namedCustomer(
  { customers }: Pick<Shop, "customers">,
  { customer_id }: OrderDetails,
): string | undefined {
  if (customer_id && !customers.has(customer_id)) {
    throw new NeedsReview(`customer ${customer_id} does not exist`)
  }
  return customer_id
}

export function requireSalesChannel(
  { defaultSalesChannel }: Pick<Shop, "defaultSalesChannel">,
  details: OrderDetails,
): string {
  const id = details.sales_channel_id ?? defaultSalesChannel
  if (!id) {
    throw new NeedsReview("the payment names no sales_channel_id and the store has no default sales channel")
  }
  return id
}

/** Where the order goes; two letters, lower case. */
function countryOf({ intent, checkout }: UncartedPayment): string | undefined {
  const collected = checkout ? addressesOf(checkout) : {}
  const country =
    intent.shipping?.address?.country ??
    collected.shipping_address?.country_code ??
    collected.billing_address?.country_code ??
    chargeOf(intent)?.billing_details.address?.country
  return country?.toLowerCase()
}
