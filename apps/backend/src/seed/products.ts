import {
  createInventoryItemsWorkflow,
  createInventoryLevelsWorkflow,
  createProductsWorkflow,
} from "@medusajs/medusa/core-flows"
import { catalog, type ProductSeed, type VariantSeed } from "./catalog"
import type { Seeder } from "./seeder"

export interface Shelf {
  salesChannelId: string
  shippingProfileId: string
  locationId: string
}

export async function seedProducts(seeder: Seeder, shelf: Shelf) {
  for (const product of catalog) {
    for (const { sku, title, stock } of product.variants) {
      if (stock !== undefined)
        await seedItem(seeder, sku, `${product.title}, ${title}`, stock, shelf.locationId)
    }
    await seedProduct(seeder, product, shelf)
  }
}

async function seedItem(
  { container, ensure }: Seeder,
  sku: string,
  title: string,
  stock: number,
  location_id: string,
) {
  const inventory_item_id = await ensure("inventory_item", { sku }, () =>
    createInventoryItemsWorkflow(container).run({ input: { items: [{ sku, title }] } }),
  )
  const inventory_levels = [{ inventory_item_id, location_id, stocked_quantity: stock }]
  await ensure("inventory_level", { inventory_item_id, location_id }, () =>
    createInventoryLevelsWorkflow(container).run({ input: { inventory_levels } }),
  )
}

async function seedProduct(
  seeder: Seeder,
  product: ProductSeed,
  { salesChannelId, shippingProfileId }: Shelf,
) {
  const { handle, title, description, option, variants } = product
  const input = {
    handle,
    title,
    description,
    status: "published" as const,
    shipping_profile_id: shippingProfileId,
    sales_channels: [{ id: salesChannelId }],
    options: [{ title: option, values: variants.map((variant) => variant.title) }],
    variants: await Promise.all(variants.map((variant) => variantInput(seeder, option, variant))),
  }
  await seeder.ensure("product", { handle }, () =>
    createProductsWorkflow(seeder.container).run({ input: { products: [input] } }),
  )
}

async function variantInput({ ensure }: Seeder, option: string, variant: VariantSeed) {
  const part = variant.contains ?? { sku: variant.sku, quantity: 1 }
  const item = await ensure("inventory_item", { sku: part.sku }, async () => {})
  return {
    sku: variant.sku,
    title: variant.title,
    options: { [option]: variant.title },
    manage_inventory: true,
    prices: Object.entries(variant.price).map(([currency_code, amount]) => ({ currency_code, amount })),
    inventory_items: [{ inventory_item_id: item, required_quantity: part.quantity }],
  }
}
