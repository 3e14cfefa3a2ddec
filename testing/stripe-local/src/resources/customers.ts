import type Stripe from "stripe"
import type { Account } from "../account.js"
import type { Api } from "../api.js"
import { noSuch } from "../errors.js"
import { newId } from "../ids.js"
import { created, page, paging } from "../pages.js"
import { address, assignGiven, mergeMetadata, metadata, type Params, shipping, text } from "../params.js"

const details = { address, description: text, email: text, metadata, name: text, phone: text, shipping }

export function createCustomer(account: Account, changes: Partial<Params<typeof details>>): Stripe.Customer {
  const customer: Stripe.Customer = {
    id: newId("cus"),
    object: "customer",
    address: null,
    balance: 0,
    created: account.now(),
    currency: null,
    default_source: null,
    delinquent: false,
    description: null,
    discount: null,
    email: null,
    invoice_prefix: null,
    invoice_settings: {
      custom_fields: null,
      default_payment_method: null,
      footer: null,
      rendering_options: null,
    },
    next_invoice_sequence: 1,
    livemode: false,
    metadata: {},
    name: null,
    phone: null,
    preferred_locales: [],
    shipping: null,
    tax_exempt: "none",
    test_clock: null,
  }
  apply(customer, changes)
  account.store.customers.add(customer)
  account.emit("customer.created", customer)
  return customer
}

function apply(customer: Stripe.Customer, changes: Partial<Params<typeof details>>): void {
  const { metadata, ...rest } = changes
  assignGiven(customer, rest)
  customer.metadata = mergeMetadata(customer.metadata, metadata)
}

/** A customer that was not deleted. */
export function needCustomer(
  account: Account,
  id: string,
  param = "id",
  status: 400 | 404 = 404,
): Stripe.Customer {
  const customer = account.store.customers.need(id, param, status)
  if (customer.deleted) throw noSuch("customer", id, param, status)
  return customer
}

export function customers(api: Api, account: Account): void {
  const { customers } = account.store

  api.post("/v1/customers", details, (params) => createCustomer(account, params))

  api.get("/v1/customers", { ...paging, created, email: text }, (query) =>
    page(
      customers,
      "/v1/customers",
      query,
      (customer) =>
        !customer.deleted &&
        query.created(customer.created) &&
        (!query.email || customer.email === query.email),
    ),
  )

  api.get("/v1/customers/:id", {}, (_, id) => customers.need(id))

  api.post("/v1/customers/:id", details, (changes, id) => {
    const customer = needCustomer(account, id)
    apply(customer, changes)
    account.emit("customer.updated", customer)
    return customer
  })

  api.delete("/v1/customers/:id", {}, (_, id) => {
    const customer = needCustomer(account, id)
    customers.replace({ id, object: "customer", deleted: true })
    account.emit("customer.deleted", customer)
    return { id, object: "customer", deleted: true }
  })
}
