import type { MedusaContainer } from "@medusajs/framework/types"
import { ContainerRegistrationKeys } from "@medusajs/framework/utils"
import { loadBuyers } from "../medusa/customers"
import { deletedCarts } from "../medusa/lost"
import { linesOf, referenceOf } from "./checkout-session"
import { type Cart, loadCarts } from "./from-cart"
import { emailOf } from "./from-items"
import type { OrderSource, PaidPayment, Query } from "./order-draft"
import { Prices } from "./prices"
import { type Region, regionOf } from "./regions"
import { loadVariants, loadVariantsBySku, type Variant } from "./variants"

/** Everything of the shop that a batch of payments needs, read once for all of them. */
export interface Shop {
  carts: Map<string, Cart>
  /** of those that are missing */
  deletedCarts: Set<string>
  variants: Map<string, Variant>
  variantsBySku: Map<string, Variant>
  regions: Region[]
  defaultRegion: string | undefined
  defaultSalesChannel: string | undefined
  /** ids of the customers that payments name, and that exist */
  customers: Set<string>
  prices: Prices
}

export interface SourcedPayment extends PaidPayment {
  source: OrderSource
}

/** A payment whose order is a list of items. */
export type ItemsPayment = SourcedPayment & { source: { kind: "items" } }

/** A payment whose order is what Stripe's Checkout sold. */
export type CheckoutPayment = SourcedPayment & { source: { kind: "checkout" } }

/** A payment without a cart: the shop says where it was bought. */
export type UncartedPayment = ItemsPayment | CheckoutPayment

export async function readShop(container: MedusaContainer, payments: SourcedPayment[]): Promise<Shop> {
  const query = container.resolve(ContainerRegistrationKeys.QUERY)
  const db = container.resolve(ContainerRegistrationKeys.PG_CONNECTION)
  const ofItems = payments.filter((payment): payment is ItemsPayment => payment.source.kind === "items")
  const ofCheckout = payments.filter(
    (payment): payment is CheckoutPayment => payment.source.kind === "checkout",
  )
  const isUncarted = ofItems.length + ofCheckout.length > 0
  const cartIds = payments.flatMap(({ source }) => (source.kind === "cart" ? [source.cart_id] : []))
  const carts = await loadCarts(query, unique(cartIds))
  const missing = unique(cartIds.filter((id) => !carts.has(id)))
  const references = ofCheckout.flatMap(({ source }) =>
    linesOf(source.session).flatMap((line) => referenceOf(line) ?? []),
  )
  const variantIds = [
    ...[...carts.values()].flatMap(({ items }) =>
      (items ?? []).flatMap(({ variant_id }) => variant_id ?? []),
    ),
    ...ofItems.flatMap(({ source }) => source.items.map(({ variant_id }) => variant_id)),
    ...references.flatMap(({ variant_id }) => variant_id ?? []),
  ]
  const [variants, variantsBySku, regions, store, buyers] = await Promise.all([
    loadVariants(query, unique(variantIds)),
    loadVariantsBySku(query, unique(references.flatMap(({ sku }) => sku ?? []))),
    isUncarted ? loadRegions(query) : [],
    isUncarted ? loadStore(query) : undefined,
    loadBuyers(db, [
      ...ofItems.map((payment) => ({
        customer_id: payment.source.details.customer_id,
        email: emailOf(payment),
      })),
      // Checkout has its own prices: only the named customer is read.
      ...ofCheckout.map(({ source }) => ({ customer_id: source.details.customer_id })),
    ]),
  ])
  const places = { regions, defaultRegion: store?.default_region_id ?? undefined }
  const priced = ofItems.flatMap((payment, index) => {
    const region = regionOf(places, payment)
    const channel = payment.source.details.sales_channel_id ?? store?.default_sales_channel_id
    return region ? [{ payment, region, channel: channel ?? undefined, buyer: buyers[index] }] : []
  })
  return {
    carts,
    deletedCarts: await deletedCarts(db, missing),
    // A variant that is named by its SKU is found by its id too, for its stock.
    variants: new Map([
      ...variants,
      ...[...variantsBySku.values()].map((variant) => [variant.id, variant] as const),
    ]),
    variantsBySku,
    ...places,
    customers: new Set(buyers.flatMap((buyer) => buyer?.id ?? [])),
    defaultSalesChannel: store?.default_sales_channel_id ?? undefined,
    prices: await Prices.read(container, priced),
  }
}

async function loadRegions(query: Query): Promise<Region[]> {
  const { data } = await query.graph({
    entity: "region",
    fields: ["id", "currency_code", "automatic_taxes", "countries.iso_2"],
  })
  return data as unknown as Region[]
}

interface Store {
  default_sales_channel_id?: string | null
  default_region_id?: string | null
}

async function loadStore(query: Query): Promise<Store | undefined> {
  const { data } = await query.graph({
    entity: "store",
    fields: ["default_sales_channel_id", "default_region_id"],
  })
  return (data as unknown as Store[])[0]
}

export function unique<T>(all: T[]): T[] {
  return [...new Set(all)]
}
