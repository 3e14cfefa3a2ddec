import type Stripe from "stripe"
import type { Account } from "../account.js"
import type { Api } from "../api.js"
import { refused } from "../errors.js"
import { newId } from "../ids.js"
import { created, page, paging } from "../pages.js"
import {
  anything,
  assignGiven,
  boolean,
  currency,
  list,
  mergeMetadata,
  metadata,
  nested,
  notNegative,
  type Params,
  required,
  taxBehavior,
  text,
} from "../params.js"
import { createPrice } from "./prices.js"

const details = {
  active: boolean,
  description: text,
  images: list(text),
  marketing_features: anything,
  metadata,
  package_dimensions: anything,
  shippable: boolean,
  statement_descriptor: text,
  tax_code: text,
  unit_label: text,
  url: text,
}

const creation = {
  ...details,
  id: text,
  name: required(text),
  default_price_data: nested({
    currency: required(currency),
    metadata,
    tax_behavior: taxBehavior,
    unit_amount: required(notNegative),
  }),
}

type NewProduct = Partial<Omit<Params<typeof creation>, "default_price_data">> & { name: string }

export function createProduct(account: Account, given: NewProduct): Stripe.Product {
  const { id, metadata, ...rest } = given
  const product: Stripe.Product = {
    id: id ?? newId("prod"),
    object: "product",
    active: true,
    created: account.now(),
    default_price: null,
    description: null,
    images: [],
    livemode: false,
    marketing_features: [],
    metadata: mergeMetadata({}, metadata),
    name: given.name,
    package_dimensions: null,
    shippable: null,
    statement_descriptor: null,
    tax_code: null,
    tax_details: null,
    type: "service",
    unit_label: null,
    updated: account.now(),
    url: null,
  }
  assignGiven(product, rest)
  return account.store.products.add(product)
}

export function products(api: Api, account: Account): void {
  const { products } = account.store

  api.post("/v1/products", creation, ({ default_price_data, ...given }) => {
    if (given.id && products.get(given.id)) {
      throw refused(`Product already exists with ID '${given.id}'`, { code: "resource_already_exists" })
    }
    const product = createProduct(account, given)
    account.emit("product.created", product)
    if (default_price_data) {
      const price = createPrice(account, { ...default_price_data, product: product.id })
      product.default_price = price.id
      account.emit("price.created", price)
    }
    return product
  })

  api.get("/v1/products/:id", {}, (_, id) => products.need(id))

  const query = { ...paging, active: boolean, created, ids: list(text), shippable: boolean, url: text }
  api.get("/v1/products", query, (query) =>
    page(
      products,
      "/v1/products",
      query,
      ({ id, active, created, shippable, url }) =>
        query.created(created) &&
        (query.active === undefined || active === query.active) &&
        (!query.ids || query.ids.includes(id)) &&
        (query.shippable === undefined || shippable === query.shippable) &&
        (!query.url || url === query.url),
    ),
  )

  const changes = { ...details, default_price: text, name: text }
  api.post("/v1/products/:id", changes, ({ metadata, ...given }, id) => {
    const product = products.need(id)
    if (given.default_price) account.store.prices.need(given.default_price, "default_price", 400)
    assignGiven(product, given)
    product.metadata = mergeMetadata(product.metadata, metadata)
    product.updated = account.now()
    account.emit("product.updated", product)
    return product
  })
}
