import type Stripe from "stripe"
import type { Account } from "../account.js"
import { newId } from "../ids.js"
import { page, type paging } from "../pages.js"
import {
  anything,
  currency,
  integer,
  list,
  mergeMetadata,
  metadata,
  nested,
  type Params,
  positive,
  required,
  text,
} from "../params.js"
import { Collection } from "../store.js"

const product = nested({
  name: required(text),
  description: text,
  images: list(text),
  metadata,
})

/** One line of a new checkout session; each brings its own price and product. */
export const lineItem = nested({
  price_data: required(
    nested({
      currency: required(currency),
      unit_amount: required(integer),
      product_data: required(product),
    }),
  ),
  quantity: required(positive),
  adjustable_quantity: anything,
  metadata,
})

export function createLine(
  account: Account,
  given: NonNullable<ReturnType<typeof lineItem>>,
): Stripe.LineItem {
  const { price_data, quantity, metadata } = given
  const product = createProduct(account, price_data.product_data)
  const amount = price_data.unit_amount * quantity
  return {
    id: newId("li"),
    object: "item",
    adjustable_quantity: null,
    amount_discount: 0,
    amount_subtotal: amount,
    amount_tax: 0,
    amount_total: amount,
    currency: price_data.currency,
    description: product.name,
    metadata: mergeMetadata({}, metadata),
    price: {
      id: newId("price"),
      object: "price",
      active: false,
      billing_scheme: "per_unit",
      created: account.now(),
      currency: price_data.currency,
      custom_unit_amount: null,
      livemode: false,
      lookup_key: null,
      metadata: {},
      nickname: null,
      product: product.id,
      recurring: null,
      tax_behavior: "unspecified",
      tiers_mode: null,
      transform_quantity: null,
      type: "one_time",
      unit_amount: price_data.unit_amount,
      // A string on the wire; the official package makes its Decimal of it.
      unit_amount_decimal: String(price_data.unit_amount) as unknown as Stripe.Price["unit_amount_decimal"],
    },
    quantity,
  }
}

function createProduct(account: Account, given: NonNullable<ReturnType<typeof product>>): Stripe.Product {
  return account.store.products.add({
    id: newId("prod"),
    object: "product",
    active: false,
    created: account.now(),
    description: given.description ?? null,
    images: given.images ?? [],
    livemode: false,
    marketing_features: [],
    metadata: mergeMetadata({}, given.metadata),
    name: given.name,
    package_dimensions: null,
    shippable: null,
    tax_code: null,
    tax_details: null,
    type: "service",
    updated: account.now(),
    url: null,
  })
}

/** The line items of a session in the order in which they were given, as a list of Stripe's. */
export function lineItems(account: Account, id: string, query: Params<typeof paging>) {
  const lines = new Collection<Stripe.LineItem>()
  for (const item of [...(account.store.session_lines.get(id)?.items ?? [])].reverse()) lines.add(item)
  return page(lines, `/v1/checkout/sessions/${id}/line_items`, query)
}
