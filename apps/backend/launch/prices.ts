import { catalog } from "../src/seed/catalog.ts"
import type { Currency, Line } from "./shop-api/store-client.ts"

/** The catalogue's price of the lines in minor units, without shipping and taxes. */
export function priceOf(lines: Line[], currency: Currency): number {
  const variants = catalog.flatMap((product) => product.variants)
  const total = lines.reduce((sum, { sku, quantity }) => {
    const variant = variants.find((one) => one.sku === sku)
    if (!variant) throw new Error(`No variant ${sku}`)
    return sum + variant.price[currency] * quantity
  }, 0)
  return Math.round(total * (currency === "jpy" ? 1 : 100))
}
