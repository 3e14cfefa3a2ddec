import type { CreateOrderAddressDTO } from "@medusajs/framework/types"
import { OrderStatus } from "@medusajs/framework/utils"
import { newId } from "../ids"
import { NeedsReview, type OrderData, type OrderLine, type OrderOutline, type Query } from "./order-draft"

const CART_FIELDS = [
  "*",
  "items.*",
  "items.tax_lines.*",
  "items.adjustments.*",
  "credit_lines.*",
  "shipping_methods.*",
  "shipping_methods.tax_lines.*",
  "shipping_methods.adjustments.*",
  "shipping_address.*",
  "billing_address.*",
  "payment_collection.id",
  "promotions.id",
]

interface TaxLine {
  description?: string
  tax_rate_id?: string
  code: string
  rate: number
  provider_id?: string
}

interface Adjustment {
  code?: string
  amount: number
  description?: string
  promotion_id?: string
  provider_id?: string
  is_tax_inclusive?: boolean
}

interface CartLine extends Omit<OrderLine, "tax_lines" | "adjustments"> {
  product_type_id?: string
  is_giftcard?: boolean
  tax_lines?: TaxLine[]
  adjustments?: Adjustment[]
}

interface ShippingMethod {
  name: string
  description?: unknown
  amount: number
  is_tax_inclusive: boolean
  shipping_option_id?: string
  data?: Record<string, unknown>
  metadata?: Record<string, unknown>
  tax_lines?: TaxLine[]
  adjustments?: Adjustment[]
}

export interface Cart {
  id: string
  email?: string
  customer_id?: string
  region_id?: string
  sales_channel_id?: string
  currency_code: string
  locale?: string
  metadata?: Record<string, unknown>
  items?: CartLine[]
  credit_lines?: {
    amount: number
    reference: string
    reference_id: string
    metadata?: Record<string, unknown>
  }[]
  shipping_methods?: ShippingMethod[]
  shipping_address?: CreateOrderAddressDTO
  billing_address?: CreateOrderAddressDTO
  payment_collection?: { id: string }
  promotions?: ({ id: string } | undefined)[]
}

export async function loadCarts(query: Query, ids: string[]): Promise<Map<string, Cart>> {
  if (ids.length === 0) {
    return new Map()
  }
  const { data } = await query.graph({ entity: "cart", fields: CART_FIELDS, filters: { id: ids } })
  return new Map((data as unknown as Cart[]).map((cart) => [cart.id, cart]))
}

/** The order that Medusa's own complete-cart would make of this cart: same lines, taxes, discounts, addresses. */
export function orderFromCart(cart: Cart): Pick<OrderOutline, "order" | "promotion_ids" | "promotion_usage"> {
  if (!cart.items?.length) {
    throw new NeedsReview(`cart ${cart.id} has no items`)
  }
  const items = cart.items.map(orderLine)
  const shipping_methods = (cart.shipping_methods ?? []).map(orderShippingMethod)
  const promotion_usage = usageOf(items, shipping_methods)
  const order = {
    id: newId("order"),
    status: OrderStatus.PENDING,
    region_id: cart.region_id,
    customer_id: cart.customer_id,
    sales_channel_id: cart.sales_channel_id,
    email: cart.email,
    currency_code: cart.currency_code,
    locale: cart.locale,
    shipping_address: orderAddress(cart.shipping_address),
    billing_address: orderAddress(cart.billing_address),
    no_notification: false,
    items,
    shipping_methods,
    credit_lines: (cart.credit_lines ?? []).map(({ amount, reference, reference_id, metadata }) => ({
      amount,
      reference,
      reference_id,
      metadata,
    })),
    metadata: cart.metadata,
    promo_codes: [...new Set(promotion_usage.map(({ code }) => code))],
  }
  const promotion_ids = (cart.promotions ?? []).flatMap((promotion) => (promotion ? [promotion.id] : []))
  return { order: order as unknown as OrderData, promotion_ids, promotion_usage }
}

interface Discounted {
  adjustments?: { code?: string; amount: unknown }[]
}

/** The discounts of an order by code, as promotions count them. */
export function usageOf(
  items: Discounted[],
  shipping_methods: Discounted[],
): OrderOutline["promotion_usage"] {
  const adjustments = [...items, ...shipping_methods].flatMap((line) => line.adjustments ?? [])
  return adjustments.flatMap(({ code, amount }) => (code ? [{ code, amount: Number(amount) }] : []))
}

function orderLine(line: CartLine) {
  return {
    id: newId("ordli"),
    title: line.title,
    subtitle: line.subtitle,
    thumbnail: line.thumbnail,
    quantity: line.quantity,
    product_id: line.product_id,
    product_title: line.product_title,
    product_description: line.product_description,
    product_subtitle: line.product_subtitle,
    product_type: line.product_type,
    product_type_id: line.product_type_id,
    product_collection: line.product_collection,
    product_handle: line.product_handle,
    variant_id: line.variant_id,
    variant_sku: line.variant_sku,
    variant_barcode: line.variant_barcode,
    variant_title: line.variant_title,
    variant_option_values: line.variant_option_values,
    requires_shipping: line.requires_shipping,
    is_discountable: line.is_discountable,
    is_giftcard: line.is_giftcard,
    is_tax_inclusive: line.is_tax_inclusive,
    compare_at_unit_price: line.compare_at_unit_price,
    unit_price: line.unit_price,
    metadata: line.metadata ?? {},
    tax_lines: (line.tax_lines ?? []).map(orderTaxLine),
    adjustments: (line.adjustments ?? []).map(orderAdjustment),
  }
}

function orderShippingMethod(method: ShippingMethod) {
  return {
    name: method.name,
    description: method.description,
    amount: method.amount,
    is_tax_inclusive: method.is_tax_inclusive,
    shipping_option_id: method.shipping_option_id,
    data: method.data,
    metadata: method.metadata,
    tax_lines: (method.tax_lines ?? []).map(orderTaxLine),
    adjustments: (method.adjustments ?? []).map(orderAdjustment),
  }
}

function orderTaxLine({ description, tax_rate_id, code, rate, provider_id }: TaxLine) {
  return { description, tax_rate_id, code, rate, provider_id }
}

function orderAdjustment({
  code,
  amount,
  description,
  promotion_id,
  provider_id,
  is_tax_inclusive,
}: Adjustment) {
  return { code, amount, description, promotion_id, provider_id, is_tax_inclusive }
}

const ADDRESS_FIELDS = [
  "first_name",
  "last_name",
  "company",
  "phone",
  "address_1",
  "address_2",
  "city",
  "province",
  "postal_code",
  "country_code",
  "metadata",
] as const satisfies (keyof CreateOrderAddressDTO)[]

/** A copy for the order: without the id, since carts and orders keep their addresses in different tables. */
function orderAddress(address: CreateOrderAddressDTO | undefined): CreateOrderAddressDTO | undefined {
  return address ? Object.fromEntries(ADDRESS_FIELDS.map((field) => [field, address[field]])) : undefined
}
