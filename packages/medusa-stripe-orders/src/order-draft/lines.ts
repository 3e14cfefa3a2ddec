import { newId } from "../ids"
import type { Price } from "./prices"
import type { Variant } from "./variants"

/** An order line of a variant, with the descriptions that Medusa gives a line; taxes and discounts are still to come. */
export function lineOf(variant: Variant, quantity: number, price: Price & { calculated_amount: number }) {
  const { product } = variant
  return {
    id: newId("ordli"),
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
    tax_lines: [],
    adjustments: [],
  }
}

/** As Medusa decides it: a shipping profile, or an inventory item that has to be shipped. */
function needsShipping(variant: Variant): boolean {
  const shipped = variant.inventory_items?.some(({ inventory }) => inventory?.requires_shipping)
  return Boolean(variant.product?.shipping_profile ?? shipped)
}
