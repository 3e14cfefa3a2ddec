import type {
  CreateOrderAddressDTO,
  ITaxModuleService,
  ItemTaxLineDTO,
  MedusaContainer,
  ShippingTaxLineDTO,
} from "@medusajs/framework/types"
import {
  ContainerRegistrationKeys,
  generateEntityId,
  Modules,
  OrderStatus,
  QueryContext,
} from "@medusajs/framework/utils"
import type Stripe from "stripe"
import {
  type ItemRequest,
  NeedsReview,
  type OrderData,
  type OrderDetails,
  type Payment,
  type Query,
} from "./content"
import type { Variant } from "./variants"

interface Price {
  calculated_amount: number | null
  is_calculated_price_tax_inclusive: boolean
}

interface Region {
  id: string
  currency_code: string
  automatic_taxes: boolean
}

interface ShippingOption {
  id: string
  name: string
  calculated_price?: Price
}

/** The shop around one payment: where it is sold, at which prices, with which taxes. */
interface Setting {
  container: MedusaContainer
  query: Query
  region: Region
  sales_channel_id: string
  currency_code: string
  address: CreateOrderAddressDTO | undefined
}

/**
 * An order for a checkout outside Medusa: the payment names variants and quantities, the shop says what they
 * cost. Prices are never taken from the payment; whether they meet is checked afterwards.
 */
export async function orderFromItems(
  container: MedusaContainer,
  payment: Payment,
  request: { items: ItemRequest[]; details: OrderDetails },
  variants: Map<string, Variant>,
): Promise<OrderData> {
  const setting = await findSetting(container, payment, request.details)
  const items = await priceLines(setting, request.items, variants)
  const shipping_methods = await priceShipping(setting, request.details.shipping_option_id)
  await addTaxLines(setting, items, shipping_methods)
  const order = {
    id: generateEntityId(undefined, "order"),
    status: OrderStatus.PENDING,
    region_id: setting.region.id,
    sales_channel_id: setting.sales_channel_id,
    customer_id: request.details.customer_id,
    email: emailOf(payment.intent, request.details),
    currency_code: setting.currency_code,
    shipping_address: setting.address,
    billing_address: billingAddress(payment.intent) ?? setting.address,
    no_notification: false,
    items,
    shipping_methods,
  }
  return order as unknown as OrderData
}

async function findSetting(
  container: MedusaContainer,
  payment: Payment,
  details: OrderDetails,
): Promise<Setting> {
  const query = container.resolve(ContainerRegistrationKeys.QUERY)
  const region = await findRegion(query, payment.currency, details.region_id)
  const sales_channel_id = details.sales_channel_id ?? (await defaultSalesChannel(query))
  return {
    container,
    query,
    region,
    sales_channel_id,
    currency_code: payment.currency,
    address: shippingAddress(payment.intent),
  }
}

async function findRegion(query: Query, currency_code: string, id?: string): Promise<Region> {
  const { data } = await query.graph({
    entity: "region",
    fields: ["id", "currency_code", "automatic_taxes"],
    filters: id ? { id } : { currency_code },
  })
  const region = (data as unknown as Region[])[0]
  if (!region) {
    throw new NeedsReview(id ? `region ${id} does not exist` : `no region sells in ${currency_code}`)
  }
  return region
}

async function defaultSalesChannel(query: Query): Promise<string> {
  const { data } = await query.graph({ entity: "store", fields: ["default_sales_channel_id"] })
  const id = (data as unknown as { default_sales_channel_id?: string }[])[0]?.default_sales_channel_id
  if (!id) {
    throw new NeedsReview("the payment names no sales_channel_id and the store has no default sales channel")
  }
  return id
}

async function priceLines(setting: Setting, items: ItemRequest[], variants: Map<string, Variant>) {
  const prices = await loadPrices(setting, "product_variant", [
    ...new Set(items.map(({ variant_id }) => variant_id)),
  ])
  return items.map(({ variant_id, quantity }) => {
    const variant = variants.get(variant_id)
    if (!variant) {
      throw new NeedsReview(`variant ${variant_id} does not exist`)
    }
    const price = prices.get(variant_id)?.calculated_price
    if (price?.calculated_amount == null) {
      throw new NeedsReview(`variant ${variant_id} has no price in ${setting.currency_code}`)
    }
    return lineOf(variant, quantity, price as Price & { calculated_amount: number })
  })
}

async function loadPrices<T extends { id: string; calculated_price?: Price }>(
  { query, region, currency_code }: Setting,
  entity: "product_variant" | "shipping_option",
  ids: string[],
): Promise<Map<string, T>> {
  const fields = ["id", "calculated_price.*"]
  if (entity === "shipping_option") {
    fields.push("name")
  }
  const context = { calculated_price: QueryContext({ region_id: region.id, currency_code }) }
  const { data } = await query.graph({ entity, fields, filters: { id: ids }, context })
  return new Map((data as unknown as T[]).map((row) => [row.id, row]))
}

function lineOf(variant: Variant, quantity: number, price: Price & { calculated_amount: number }) {
  const { product } = variant
  return {
    id: generateEntityId(undefined, "ordli"),
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
    tax_lines: [] as {
      tax_rate_id?: string
      code: string
      rate: number
      description?: string
      provider_id?: string
    }[],
    adjustments: [] as never[],
  }
}

/** As Medusa decides it: a shipping profile, or an inventory item that has to be shipped. */
function needsShipping(variant: Variant): boolean {
  const shipped = variant.inventory_items?.some(({ inventory }) => inventory?.requires_shipping)
  return Boolean(variant.product?.shipping_profile ?? shipped)
}

async function priceShipping(setting: Setting, optionId: string | undefined) {
  if (!optionId) {
    return []
  }
  const option = (await loadPrices<ShippingOption>(setting, "shipping_option", [optionId])).get(optionId)
  const price = option?.calculated_price
  if (!option || price?.calculated_amount == null) {
    const why = option ? `has no flat price in ${setting.currency_code}` : "does not exist"
    throw new NeedsReview(`shipping option ${optionId} ${why}`)
  }
  const method = {
    id: generateEntityId(undefined, "ordsm"),
    name: option.name,
    amount: price.calculated_amount,
    is_tax_inclusive: price.is_calculated_price_tax_inclusive,
    shipping_option_id: option.id,
    data: {},
    tax_lines: [] as ReturnType<typeof lineOf>["tax_lines"],
    adjustments: [] as never[],
  }
  return [method]
}

type Lines = Awaited<ReturnType<typeof priceLines>>
type Methods = Awaited<ReturnType<typeof priceShipping>>

async function addTaxLines(setting: Setting, items: Lines, methods: Methods): Promise<void> {
  const country_code = setting.address?.country_code
  if (!setting.region.automatic_taxes || !country_code) {
    return
  }
  const taxes: ITaxModuleService = setting.container.resolve(Modules.TAX)
  const { currency_code } = setting
  const taxable = [
    ...items.map(({ id, product_id, quantity, unit_price }) => ({
      id,
      product_id: product_id ?? "",
      quantity,
      unit_price,
      currency_code,
    })),
    ...methods.map(({ id, shipping_option_id, amount }) => ({
      id,
      shipping_option_id,
      unit_price: amount,
      currency_code,
    })),
  ]
  const address = {
    country_code,
    province_code: setting.address?.province,
    postal_code: setting.address?.postal_code ?? undefined,
  }
  for (const tax of await taxes.getTaxLines(taxable, { address })) {
    const id = (tax as ItemTaxLineDTO).line_item_id ?? (tax as ShippingTaxLineDTO).shipping_line_id
    const line = [...items, ...methods].find((one) => one.id === id)
    line?.tax_lines.push({
      tax_rate_id: tax.rate_id,
      code: tax.code ?? "",
      rate: tax.rate ?? 0,
      description: tax.name,
      provider_id: tax.provider_id,
    })
  }
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

function chargeOf({ latest_charge }: Stripe.PaymentIntent): Stripe.Charge | undefined {
  return typeof latest_charge === "object" && latest_charge ? latest_charge : undefined
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
