import { type Demand, NeedsReview, type OrderLine, type Query } from "./order-draft"

/** A variant with what settlement needs of it: its stock and, for a line without a cart, its descriptions. */
export interface Variant {
  id: string
  title?: string
  sku?: string
  barcode?: string
  thumbnail?: string
  manage_inventory: boolean
  allow_backorder: boolean
  product?: {
    id: string
    title: string
    subtitle?: string
    description?: string
    handle?: string
    thumbnail?: string
    discountable?: boolean
    is_giftcard?: boolean
    type?: { id: string; value: string }
    collection?: { title: string }
    shipping_profile?: { id: string }
  }
  inventory_items?: {
    inventory_item_id: string
    required_quantity: number
    inventory?: { requires_shipping?: boolean }
  }[]
}

const VARIANT_FIELDS = [
  "id",
  "title",
  "sku",
  "barcode",
  "thumbnail",
  "manage_inventory",
  "allow_backorder",
  "product.id",
  "product.title",
  "product.subtitle",
  "product.description",
  "product.handle",
  "product.thumbnail",
  "product.discountable",
  "product.is_giftcard",
  "product.type.id",
  "product.type.value",
  "product.collection.title",
  "product.shipping_profile.id",
  "inventory_items.inventory_item_id",
  "inventory_items.required_quantity",
  "inventory_items.inventory.requires_shipping",
]

export async function loadVariants(query: Query, ids: string[]): Promise<Map<string, Variant>> {
  if (ids.length === 0) {
    return new Map()
  }
  const { data } = await query.graph({
    entity: "product_variant",
    fields: VARIANT_FIELDS,
    filters: { id: ids },
  })
  return new Map((data as unknown as Variant[]).map((variant) => [variant.id, variant]))
}

/** By SKU; of variants that share one, the first. */
export async function loadVariantsBySku(query: Query, skus: string[]): Promise<Map<string, Variant>> {
  if (skus.length === 0) {
    return new Map()
  }
  const { data } = await query.graph({
    entity: "product_variant",
    fields: VARIANT_FIELDS,
    filters: { sku: skus },
  })
  return new Map((data as unknown as Variant[]).reverse().map((variant) => [variant.sku ?? "", variant]))
}

/** Where the stock of each sales channel lies. */
export async function loadStockLocations(query: Query, channels: string[]): Promise<Map<string, string[]>> {
  if (channels.length === 0) {
    return new Map()
  }
  const { data } = await query.graph({
    entity: "sales_channel",
    fields: ["id", "stock_locations.id"],
    filters: { id: channels },
  })
  const rows = data as unknown as { id: string; stock_locations?: ({ id: string } | undefined)[] }[]
  return new Map(
    rows.map(({ id, stock_locations }) => [
      id,
      (stock_locations ?? []).flatMap((one) => (one ? [one.id] : [])),
    ]),
  )
}

/** What a line takes from stock: nothing where the variant's inventory isn't managed, else some of each of its inventory items. */
export function demandsOf(
  line: OrderLine,
  variants: Map<string, Variant>,
  { name, locationIds }: { name: string; locationIds: string[] },
): Demand[] {
  if (!line.variant_id) {
    return []
  }
  const variant = variants.get(line.variant_id)
  if (!variant) {
    throw new NeedsReview(`variant ${line.variant_id} does not exist any more`)
  }
  if (!variant.manage_inventory) {
    return []
  }
  if (!variant.inventory_items?.length) {
    throw new NeedsReview(`variant ${variant.id} is managed in stock but has no inventory item`)
  }
  if (locationIds.length === 0) {
    throw new NeedsReview(`${name} has no stock location to take variant ${variant.id} from`)
  }
  const demand = {
    line_item_id: line.id,
    quantity: Number(line.quantity),
    parts: variant.inventory_items.map(({ inventory_item_id, required_quantity }) => ({
      inventory_item_id,
      required_quantity,
    })),
    allow_backorder: variant.allow_backorder,
    location_ids: locationIds,
  }
  return [demand]
}
