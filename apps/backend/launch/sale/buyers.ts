import { catalog, HOT_SKU, shipping } from "../../src/seed/catalog.ts"

export interface Line {
  sku: string
  quantity: number
}

export type Currency = "usd" | "eur" | "jpy"

export interface Buyer {
  email: string
  lines: Line[]
  currency: Currency
  /** manual: authorised, and captured by the shop when it has taken the stock. */
  capture: "manual" | "automatic"
  /** cart: as a storefront does it. items: a checkout outside Medusa that only says what was bought. */
  checkout: "cart" | "items"
}

export const BUYERS = 60
export const UNITS = 20

/** The same sixty in each sale; the name tells a sale's buyers from those of another. */
export function invite(sale: string): Buyer[] {
  return Array.from({ length: BUYERS }, (_, index) => ({
    // The 9th and the 10th, without a cart both, are one person: two payments of a customer whom Medusa doesn't know.
    email: `buyer${index === 9 ? 8 : index}@${sale}.example`,
    lines: basket(index),
    currency: currencyOf(index),
    capture: index % 4 < 2 ? "manual" : "automatic",
    checkout: isHeadless(index) ? "items" : "cart",
  }))
}

/** Units of the hot variant that these buyers want. */
export function demand(buyers: Buyer[]): number {
  const hot = buyers.flatMap(({ lines }) => lines).filter(({ sku }) => sku === HOT_SKU)
  return hot.reduce((sum, { quantity }) => sum + quantity, 0)
}

// Fifty want the lantern, every third of them with something else; ten want other things only. The mug and the
// pair of mugs come from one shelf.
function basket(index: number): Line[] {
  if (index % 6 === 5)
    return [line("MUG-PAIR"), line("SHIRT-L", 2), ...(index % 4 === 1 ? [line("MUG")] : [])]
  return [
    line(HOT_SKU),
    ...(index % 3 === 0 ? [line("MUG")] : []),
    ...(index % 7 === 0 ? [line("SHIRT-M", 2)] : []),
  ]
}

const line = (sku: string, quantity = 1): Line => ({ sku, quantity })

// Most have a cart. It takes Medusa half a second of work each, and the sale should open soon.
const isHeadless = (index: number) => index % 15 >= 8

function currencyOf(index: number): Currency {
  return isHeadless(index) ? "usd" : ((["usd", "eur", "usd", "jpy"] as const)[index % 4] as Currency)
}

/** What a checkout outside Medusa charges, in minor units. It sells in usd, which has two of them and no tax here. */
export function priceInCents(lines: Line[]): number {
  const variants = catalog.flatMap((product) => product.variants)
  const price = (sku: string) => variants.find((variant) => variant.sku === sku)?.price.usd ?? Number.NaN
  const goods = lines.reduce((sum, { sku, quantity }) => sum + price(sku) * quantity, 0)
  return Math.round((goods + shipping.price.usd) * 100)
}
