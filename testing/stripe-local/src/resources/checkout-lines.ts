import type Stripe from "stripe"
import type { Account } from "../account.js"
import { badParam, refused } from "../errors.js"
import { newId } from "../ids.js"
import { page, type paging } from "../pages.js"
import {
  boolean,
  currency,
  list,
  mergeMetadata,
  metadata,
  nested,
  notNegative,
  type Params,
  positive,
  required,
  taxBehavior,
  text,
} from "../params.js"
import { Collection } from "../store.js"
import { createPrice, productData } from "./prices.js"
import { createProduct } from "./products.js"

const priceData = nested({
  currency: required(currency),
  product: text,
  product_data: productData,
  tax_behavior: taxBehavior,
  unit_amount: required(notNegative),
})

export const adjustableQuantity = nested({
  enabled: required(boolean),
  maximum: positive,
  minimum: notNegative,
})

const line = {
  adjustable_quantity: adjustableQuantity,
  price: text,
  price_data: priceData,
  quantity: required(positive),
}

/** One line of a new payment link: a price of the shop's, or one that is made for it. */
export const linkLine = nested(line)

/** One line of a new checkout session. */
export const lineItem = nested({ ...line, metadata, tax_rates: list(text) })

type GivenLine = NonNullable<ReturnType<typeof linkLine>> & Partial<NonNullable<ReturnType<typeof lineItem>>>
type GivenPrice = NonNullable<ReturnType<typeof priceData>>

/** The lines of a new checkout session or payment link, of one currency. */
export function createLines(account: Account, given: GivenLine[]): Stripe.LineItem[] {
  if (given.length === 0) throw refused("You must provide at least one line item.", { param: "line_items" })
  if (given.length > 100) throw refused("You may only provide up to 100 line items.", { param: "line_items" })
  const items = given.map((line, index) => createLine(account, line, `line_items[${index}]`))
  if (new Set(items.map(({ currency }) => currency)).size > 1) {
    throw refused("All line items must have the same currency.", { param: "line_items" })
  }
  return items
}

function createLine(account: Account, given: GivenLine, at: string): Stripe.LineItem {
  const rates = given.tax_rates ?? []
  for (const id of rates) account.store.tax_rates.need(id, `${at}[tax_rates]`, 400)
  const price = priceOf(account, given, at)
  const { maximum = null, minimum = null } = given.adjustable_quantity ?? {}
  const line = newLine(account, price, given.quantity)
  if (given.adjustable_quantity?.enabled) line.adjustable_quantity = { enabled: true, maximum, minimum }
  line.metadata = mergeMetadata({}, given.metadata)
  account.store.line_details.add({ id: line.id, tax_rates: rates, taxes: [], discounts: [] })
  return line
}

function newLine(account: Account, price: Stripe.Price, quantity: number): Stripe.LineItem {
  const amount = (price.unit_amount ?? 0) * quantity
  return {
    id: newId("li"),
    object: "item",
    adjustable_quantity: null,
    amount_discount: 0,
    amount_subtotal: amount,
    amount_tax: 0,
    amount_total: amount,
    currency: price.currency,
    description: account.store.products.need(String(price.product)).name,
    metadata: {},
    price,
    quantity,
  }
}

/** A copy of a payment link's line for a checkout session of its own. */
export function copyLine(account: Account, line: Stripe.LineItem): Stripe.LineItem {
  const copy = { ...structuredClone(line), id: newId("li") }
  const { tax_rates = [] } = account.store.line_details.get(line.id) ?? {}
  account.store.line_details.add({ id: copy.id, tax_rates: [...tax_rates], taxes: [], discounts: [] })
  return copy
}

function priceOf(account: Account, { price, price_data }: GivenLine, at: string): Stripe.Price {
  if (Boolean(price) === Boolean(price_data)) {
    throw badParam("You must specify either `price` or `price_data` for each line item.", `${at}[price]`)
  }
  return price ? usablePrice(account, price, at) : inlinePrice(account, price_data as GivenPrice, at)
}

function usablePrice(account: Account, id: string, at: string): Stripe.Price {
  const price = account.store.prices.need(id, `${at}[price]`, 400)
  if (!price.active) {
    throw refused("The price specified is inactive. This field only accepts active prices.", {
      param: `${at}[price]`,
    })
  }
  if (!account.store.products.get(String(price.product))?.active) {
    throw refused(`Price \`${id}\` is not available to be purchased because its product is not active.`, {
      param: `${at}[price]`,
    })
  }
  return price
}

/** Inactive, as it is for this purchase only; so is a product that is made with it. */
function inlinePrice(account: Account, given: GivenPrice, at: string): Stripe.Price {
  const { product, product_data, ...price } = given
  if (Boolean(product) === Boolean(product_data)) {
    throw badParam(
      "You must specify either `product` or `product_data` in `price_data`.",
      `${at}[price_data][product]`,
    )
  }
  const { id } = product_data
    ? createProduct(account, { ...product_data, active: false })
    : account.store.products.need(String(product), `${at}[price_data][product]`, 400)
  return createPrice(account, { ...price, active: false, product: id })
}

/** Line items in the order in which they were given, with their prices as they are now, as a list of Stripe's. */
export function lineItems(
  account: Account,
  items: Stripe.LineItem[],
  url: string,
  query: Params<typeof paging>,
) {
  const { prices } = account.store
  const lines = new Collection<Stripe.LineItem>()
  for (const item of [...items].reverse()) {
    lines.add({ ...item, price: prices.get(String(item.price?.id)) ?? item.price })
  }
  return page(lines, url, query)
}

/** The buyer changes a line's quantity; 0 takes the line out. */
export function adjustQuantity(items: Stripe.LineItem[], line: Stripe.LineItem, quantity: number): void {
  if (!line.adjustable_quantity?.enabled) {
    throw refused(`The quantity of "${line.description}" can't be adjusted.`)
  }
  const { maximum, minimum } = line.adjustable_quantity
  const least = Math.max(minimum ?? 0, items.length === 1 ? 1 : 0)
  if (quantity < least || quantity > (maximum ?? 99)) {
    throw refused(`The quantity of "${line.description}" must be between ${least} and ${maximum ?? 99}.`)
  }
  line.quantity = quantity
  if (quantity === 0) items.splice(items.indexOf(line), 1)
}
