import { HOT_SKU, shipping } from "../../src/seed/catalog.ts"
import { priceOf } from "../prices.ts"
import type { Currency, Line } from "../shop-api/store-client.ts"

export interface Buyer {
  email: string
  lines: Line[]
  currency: Currency
  /** manual: authorised, and captured by the shop when it has taken the stock. */
  capture: "manual" | "automatic"
  /** cart: a storefront's checkout. items: one outside Medusa that only lists the items. session: Stripe's own page. */
  checkout: "cart" | "items" | "session"
  /** Of those with a cart: its stock is held while the buyer pays. */
  holds: boolean
}

export const BUYERS = 60
export const UNITS = 20

/** The same sixty buyers in each sale; `sale` in their addresses tells them from those of another sale. */
export function invite(sale: string): Buyer[] {
  return Array.from({ length: BUYERS }, (_, index) => ({
    // The 2nd and the 3rd, both without a cart, are one buyer: two payments of a customer that Medusa doesn't know.
    email: `buyer${index === 2 ? 1 : index}@${sale}.example`,
    lines: basket(index),
    currency: currencyOf(index),
    capture: index % 4 < 2 ? "manual" : "automatic",
    checkout: hasCart(index) ? "cart" : index % 4 === 3 ? "session" : "items",
    holds: hasCart(index) && index % 2 === 0,
  }))
}

/** Units of the hot variant that these buyers want. */
export function demand(buyers: Buyer[]): number {
  const hot = buyers.flatMap(({ lines }) => lines).filter(({ sku }) => sku === HOT_SKU)
  return hot.reduce((sum, { quantity }) => sum + quantity, 0)
}

// Fifty want the lantern, every third of them with something else; ten want only other things. The mug and the
// pair of mugs share an inventory item.
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

// One in three has a cart, spread over the different baskets. A cart costs Medusa 0.6 s of CPU (two thirds of it
// for the shipping method), and a start with its sale should take no more than half a minute.
const hasCart = (index: number) => (index * 7) % 15 < 5

function currencyOf(index: number): Currency {
  return hasCart(index) ? ((["usd", "eur", "usd", "jpy"] as const)[index % 4] as Currency) : "usd"
}

/** The price in a checkout outside Medusa, in minor units: it sells in usd, which has no tax here. */
export function priceInCents(lines: Line[]): number {
  return priceOf(lines, "usd") + Math.round(shipping.price.usd * 100)
}
