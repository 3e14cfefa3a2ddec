import type { MedusaContainer } from "@medusajs/framework/types"
import { ContainerRegistrationKeys, QueryContext } from "@medusajs/framework/utils"
import { deletedCarts } from "../medusa/lost"
import { type Cart, loadCarts } from "./from-cart"
import type { OrderSource, PaidPayment, Query } from "./order-draft"
import { loadVariants, type Variant } from "./variants"

/** A price as Medusa calculates it for a region. Major units. */
export interface Price {
  calculated_amount: number | null
  is_calculated_price_tax_inclusive: boolean
}

export interface Region {
  id: string
  currency_code: string
  automatic_taxes: boolean
}

export interface ShippingOption {
  id: string
  name: string
  calculated_price?: Price
}

/** Everything of the shop that a batch of payments needs, read once for all of them. */
export interface Shop {
  carts: Map<string, Cart>
  /** of those that are missing */
  deletedCarts: Set<string>
  variants: Map<string, Variant>
  regions: Region[]
  defaultSalesChannel: string | undefined
  /** by region, then by id */
  prices: Map<string, Map<string, Price | undefined>>
  shippingOptions: Map<string, Map<string, ShippingOption>>
}

export interface SourcedPayment extends PaidPayment {
  source: OrderSource
}

/** A payment whose order is a list of items. */
export type ItemsPayment = SourcedPayment & { source: { kind: "items" } }

/** The region whose prices a payment without a cart has: the one it names, or the first that sells in its currency. */
export function regionOf({ regions }: Pick<Shop, "regions">, payment: ItemsPayment): Region | undefined {
  const { region_id } = payment.source.details
  return regions.find(({ id, currency_code }) =>
    region_id ? id === region_id : currency_code === payment.currency,
  )
}

export async function readShop(container: MedusaContainer, payments: SourcedPayment[]): Promise<Shop> {
  const query = container.resolve(ContainerRegistrationKeys.QUERY)
  const ofItems = payments.filter((payment): payment is ItemsPayment => payment.source.kind === "items")
  const cartIds = payments.flatMap(({ source }) => (source.kind === "cart" ? [source.cart_id] : []))
  const carts = await loadCarts(query, unique(cartIds))
  const missing = unique(cartIds.filter((id) => !carts.has(id)))
  const variantIds = [
    ...[...carts.values()].flatMap(({ items }) =>
      (items ?? []).flatMap(({ variant_id }) => variant_id ?? []),
    ),
    ...ofItems.flatMap(({ source }) => source.items.map(({ variant_id }) => variant_id)),
  ]
  const [variants, regions, defaultSalesChannel] = await Promise.all([
    loadVariants(query, unique(variantIds)),
    ofItems.length > 0 ? loadRegions(query) : [],
    ofItems.length > 0 ? loadDefaultSalesChannel(query) : undefined,
  ])
  return {
    carts,
    deletedCarts: await deletedCarts(container.resolve(ContainerRegistrationKeys.PG_CONNECTION), missing),
    variants,
    regions,
    defaultSalesChannel,
    ...(await readPrices(query, regions, ofItems)),
  }
}

async function readPrices(query: Query, regions: Region[], payments: ItemsPayment[]) {
  const prices: Shop["prices"] = new Map()
  const shippingOptions: Shop["shippingOptions"] = new Map()
  const byRegion = new Map<Region, ItemsPayment[]>()
  for (const payment of payments) {
    const region = regionOf({ regions }, payment)
    if (region) {
      byRegion.set(region, [...(byRegion.get(region) ?? []), payment])
    }
  }
  for (const [region, members] of byRegion) {
    const variants = unique(members.flatMap(({ source }) => source.items.map(({ variant_id }) => variant_id)))
    const options = unique(members.flatMap(({ source }) => source.details.shipping_option_id ?? []))
    const priced = await loadPriced(query, "product_variant", ["id", "calculated_price.*"], variants, region)
    prices.set(region.id, new Map(priced.map(({ id, calculated_price }) => [id, calculated_price])))
    const offered = await loadPriced(
      query,
      "shipping_option",
      ["id", "name", "calculated_price.*"],
      options,
      region,
    )
    shippingOptions.set(
      region.id,
      new Map((offered as ShippingOption[]).map((option) => [option.id, option])),
    )
  }
  return { prices, shippingOptions }
}

async function loadPriced(
  query: Query,
  entity: "product_variant" | "shipping_option",
  fields: string[],
  ids: string[],
  { id: region_id, currency_code }: Region,
): Promise<{ id: string; calculated_price?: Price }[]> {
  if (ids.length === 0) {
    return []
  }
  const context = { calculated_price: QueryContext({ region_id, currency_code }) }
  const { data } = await query.graph({ entity, fields, filters: { id: ids }, context })
  return data as unknown as { id: string; calculated_price?: Price }[]
}

async function loadRegions(query: Query): Promise<Region[]> {
  const { data } = await query.graph({
    entity: "region",
    fields: ["id", "currency_code", "automatic_taxes"],
  })
  return data as unknown as Region[]
}

async function loadDefaultSalesChannel(query: Query): Promise<string | undefined> {
  const { data } = await query.graph({ entity: "store", fields: ["default_sales_channel_id"] })
  return (data as unknown as { default_sales_channel_id?: string }[])[0]?.default_sales_channel_id
}

export function unique<T>(all: T[]): T[] {
  return [...new Set(all)]
}
