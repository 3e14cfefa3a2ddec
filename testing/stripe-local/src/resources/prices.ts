import type Stripe from "stripe"
import type { Account } from "../account.js"
import type { Api } from "../api.js"
import { badParam, refused } from "../errors.js"
import { newId } from "../ids.js"
import { created, page, paging } from "../pages.js"
import {
  assignGiven,
  boolean,
  currency,
  list,
  mergeMetadata,
  metadata,
  nested,
  notNegative,
  oneOf,
  required,
  taxBehavior,
  text,
} from "../params.js"
import { createProduct } from "./products.js"

/** What a price or a line item may say of a product that is made with it. */
export const productData = nested({
  name: required(text),
  description: text,
  images: list(text),
  metadata,
  tax_code: text,
  unit_label: text,
})

export interface NewPrice {
  active?: boolean
  currency: string
  lookup_key?: string | null
  metadata?: Stripe.Metadata | null
  nickname?: string | null
  product: string
  tax_behavior?: Stripe.Price.TaxBehavior
  unit_amount: number
}

export function createPrice(account: Account, given: NewPrice): Stripe.Price {
  return account.store.prices.add({
    id: newId("price"),
    object: "price",
    active: given.active ?? true,
    billing_scheme: "per_unit",
    created: account.now(),
    currency: given.currency,
    custom_unit_amount: null,
    livemode: false,
    lookup_key: given.lookup_key ?? null,
    metadata: mergeMetadata({}, given.metadata),
    nickname: given.nickname ?? null,
    product: given.product,
    recurring: null,
    tax_behavior: given.tax_behavior ?? "unspecified",
    tiers_mode: null,
    transform_quantity: null,
    type: "one_time",
    unit_amount: given.unit_amount,
    // A string on the wire; the official package makes its Decimal of it.
    unit_amount_decimal: String(given.unit_amount) as unknown as Stripe.Price["unit_amount_decimal"],
  })
}

/** Takes a lookup key from the price that has it, where the caller allows that. */
function freeLookupKey(account: Account, key: string, transfer: boolean | undefined, own?: string): void {
  for (const price of account.store.prices) {
    if (price.lookup_key !== key || price.id === own) continue
    if (!transfer) {
      throw refused(`A price (\`${price.id}\`) already uses that lookup key.`, { param: "lookup_key" })
    }
    price.lookup_key = null
    account.emit("price.updated", price)
  }
}

const details = { active: boolean, lookup_key: text, metadata, nickname: text, transfer_lookup_key: boolean }

const creation = {
  ...details,
  currency: required(currency),
  product: text,
  product_data: productData,
  tax_behavior: taxBehavior,
  unit_amount: required(notNegative),
}

export function prices(api: Api, account: Account): void {
  const { prices, products } = account.store

  api.post("/v1/prices", creation, ({ product, product_data, transfer_lookup_key, ...given }) => {
    if (Boolean(product) === Boolean(product_data)) {
      throw badParam("You must specify either `product` or `product_data` when creating a price.", "product")
    }
    if (product) products.need(product, "product", 400)
    if (given.lookup_key) freeLookupKey(account, given.lookup_key, transfer_lookup_key)
    const made = product_data && createProduct(account, product_data)
    if (made) account.emit("product.created", made)
    const price = createPrice(account, { ...given, product: made?.id ?? String(product) })
    account.emit("price.created", price)
    return price
  })

  api.get("/v1/prices/:id", {}, (_, id) => prices.need(id))

  const query = {
    ...paging,
    active: boolean,
    created,
    currency,
    lookup_keys: list(text),
    product: text,
    type: oneOf("one_time", "recurring"),
  }
  api.get("/v1/prices", query, (query) => {
    if (query.lookup_keys && query.lookup_keys.length > 10) {
      throw badParam("You may only specify up to 10 lookup keys.", "lookup_keys")
    }
    return page(
      prices,
      "/v1/prices",
      query,
      ({ active, created, currency, lookup_key, product, type }) =>
        query.created(created) &&
        (query.active === undefined || active === query.active) &&
        (!query.currency || currency === query.currency) &&
        (!query.lookup_keys || query.lookup_keys.includes(lookup_key ?? "")) &&
        (!query.product || product === query.product) &&
        (!query.type || type === query.type),
    )
  })

  const changes = { ...details, tax_behavior: taxBehavior }
  api.post("/v1/prices/:id", changes, ({ metadata, transfer_lookup_key, ...given }, id) => {
    const price = prices.need(id)
    if (given.lookup_key) freeLookupKey(account, given.lookup_key, transfer_lookup_key, id)
    assignGiven(price, given)
    price.metadata = mergeMetadata(price.metadata, metadata)
    account.emit("price.updated", price)
    return price
  })
}
