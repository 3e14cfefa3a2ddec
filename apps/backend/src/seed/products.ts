import { ContainerRegistrationKeys, Modules } from "@medusajs/framework/utils"
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

interface HalfProduct {
  id: string
  options?: { id: string }[]
  sales_channels?: unknown[]
  shipping_profile?: unknown
  variants?: { id: string; prices?: unknown[]; inventory_items?: unknown[] }[]
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
  await seeder.ensureWhole(
    "product",
    { handle },
    {
      create: () => createProductsWorkflow(seeder.container).run({ input: { products: [input] } }),
      fields: [
        "options.id",
        "sales_channels.id",
        "shipping_profile.id",
        "variants.prices.id",
        "variants.inventory_items.id",
      ],
      isWhole: (found: HalfProduct) =>
        found.sales_channels?.length &&
        found.shipping_profile &&
        found.variants?.length === variants.length &&
        found.variants.every((variant) => variant.prices?.length && variant.inventory_items?.length),
      remove: (found: HalfProduct) => removeProduct(seeder, found),
    },
  )
}

async function removeProduct({ container }: Seeder, { id, options = [], variants = [] }: HalfProduct) {
  const variant_id = variants.map((variant) => variant.id)
  await container
    .resolve(ContainerRegistrationKeys.LINK)
    .delete({ [Modules.PRODUCT]: { product_id: [id], variant_id } })
  const products = container.resolve(Modules.PRODUCT)
  await products.deleteProducts([id])
  await products.deleteProductOptions(options.map((option) => option.id))
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
