import type Stripe from "stripe"
import type { Account } from "../account.js"
import type { Api } from "../api.js"
import { refused } from "../errors.js"
import { newId, random } from "../ids.js"
import { page, paging } from "../pages.js"
import {
  assignGiven,
  boolean,
  currency,
  list,
  mergeMetadata,
  metadata,
  nested,
  oneOf,
  type Params,
  positive,
  required,
  text,
} from "../params.js"
import { adjustableQuantity, createLines, lineItems, linkLine } from "./checkout-lines.js"
import { pageOptions } from "./checkout-sessions.js"
import { shippingOptions } from "./shipping-rates.js"

type PaymentLink = Stripe.PaymentLink

const intentData = {
  description: text,
  metadata,
  setup_future_usage: oneOf("on_session", "off_session"),
  statement_descriptor: text,
  statement_descriptor_suffix: text,
  transfer_group: text,
}

const details = {
  ...pageOptions,
  after_completion: nested({
    hosted_confirmation: nested({ custom_message: text }),
    redirect: nested({ url: required(text) }),
    type: required(oneOf("hosted_confirmation", "redirect")),
  }),
  inactive_message: text,
  payment_intent_data: nested({
    ...intentData,
    capture_method: oneOf("automatic", "automatic_async", "manual"),
  }),
  // Rates that are made with a session are of sessions only.
  shipping_options: list(nested({ shipping_rate: text })),
  restrictions: nested({ completed_sessions: required(nested({ limit: required(positive) })) }),
}

const creation = { ...details, currency, line_items: required(list(linkLine)) }

const changes = {
  ...details,
  active: boolean,
  line_items: list(
    nested({ id: required(text), adjustable_quantity: adjustableQuantity, quantity: positive }),
  ),
}

type Details = Partial<Params<typeof details>>

function createLink(account: Account, params: Params<typeof creation>): PaymentLink {
  const { line_items, currency, ...given } = params
  const items = createLines(account, line_items)
  if (currency && currency !== items[0]?.currency) {
    throw refused(`The line items' prices have no currency option for ${currency}.`, { param: "currency" })
  }
  const link = account.store.payment_links.add(newLink(String(items[0]?.currency)))
  account.store.link_lines.add({ id: link.id, items })
  apply(account, link, given)
  return link
}

function newLink(currency: string): PaymentLink {
  return {
    id: newId("plink"),
    object: "payment_link",
    active: true,
    after_completion: { type: "hosted_confirmation", hosted_confirmation: { custom_message: null } },
    allow_promotion_codes: false,
    application: null,
    application_fee_amount: null,
    application_fee_percent: null,
    automatic_tax: { enabled: false, liability: null },
    billing_address_collection: "auto",
    consent_collection: null,
    currency,
    custom_fields: [],
    custom_text: {
      after_submit: null,
      shipping_address: null,
      submit: null,
      terms_of_service_acceptance: null,
    },
    customer_creation: "if_required",
    inactive_message: null,
    invoice_creation: null,
    livemode: false,
    managed_payments: null,
    metadata: {},
    on_behalf_of: null,
    payment_intent_data: null,
    payment_method_collection: "always",
    payment_method_options: null,
    payment_method_types: null,
    phone_number_collection: { enabled: false },
    restrictions: null,
    shipping_address_collection: null,
    shipping_options: [],
    submit_type: "auto",
    subscription_data: null,
    tax_id_collection: { enabled: false, required: "never" },
    transfer_data: null,
    url: `https://buy.stripe.com/test_${random(18)}`,
  }
}

function apply(account: Account, link: PaymentLink, given: Details): void {
  const { after_completion, automatic_tax, payment_intent_data, restrictions, ...plain } = given
  const { metadata, shipping_options, ...rest } = plain
  assignGiven(link, rest)
  link.metadata = mergeMetadata(link.metadata, metadata)
  if (shipping_options) link.shipping_options = shippingOptions(account, shipping_options, link.currency)
  if (automatic_tax) link.automatic_tax = taxOf(automatic_tax.enabled)
  if (after_completion) link.after_completion = afterCompletion(after_completion)
  if (payment_intent_data) link.payment_intent_data = intentDataOf(payment_intent_data, link)
  if (restrictions !== undefined) link.restrictions = restrictionsOf(restrictions?.completed_sessions, link)
}

function taxOf(enabled: boolean): PaymentLink["automatic_tax"] {
  return { enabled, liability: enabled ? { type: "self" } : null }
}

function afterCompletion(given: NonNullable<Details["after_completion"]>): PaymentLink["after_completion"] {
  const { hosted_confirmation, redirect, type } = given
  if (type === "hosted_confirmation") {
    return { type, hosted_confirmation: { custom_message: hosted_confirmation?.custom_message ?? null } }
  }
  if (!redirect) {
    throw refused("Missing required param: after_completion[redirect].", { code: "parameter_missing" })
  }
  return { type, redirect: { url: redirect.url } }
}

/** Its metadata is replaced, not merged: "Unlike object-level metadata, this field is declarative". */
function intentDataOf(
  given: NonNullable<Details["payment_intent_data"]>,
  link: PaymentLink,
): PaymentLink["payment_intent_data"] {
  const data: Stripe.PaymentLink.PaymentIntentData = link.payment_intent_data ?? {
    capture_method: null,
    description: null,
    metadata: {},
    setup_future_usage: null,
    statement_descriptor: null,
    statement_descriptor_suffix: null,
    transfer_group: null,
  }
  const { metadata, ...rest } = given
  assignGiven(data, rest)
  if (metadata !== undefined) data.metadata = mergeMetadata({}, metadata)
  return data
}

function restrictionsOf(
  given: { limit: number } | undefined,
  link: PaymentLink,
): PaymentLink["restrictions"] {
  if (!given) return null
  return {
    completed_sessions: { count: link.restrictions?.completed_sessions.count ?? 0, limit: given.limit },
  }
}

function changeLine(
  items: Stripe.LineItem[],
  change: NonNullable<Params<typeof changes>["line_items"]>[number],
) {
  const line = items.find(({ id }) => id === change.id)
  if (!line) throw refused(`No such line item: '${change.id}'`, { param: "line_items" })
  if (change.quantity) {
    line.quantity = change.quantity
    line.amount_subtotal = line.amount_total = (line.price?.unit_amount ?? 0) * change.quantity
  }
  if (!change.adjustable_quantity) return
  const { enabled, maximum = null, minimum = null } = change.adjustable_quantity
  line.adjustable_quantity = enabled ? { enabled, maximum, minimum } : null
}

export function paymentLinks(api: Api, account: Account): void {
  const { link_lines, payment_links } = account.store

  api.post("/v1/payment_links", creation, (params) => {
    const link = createLink(account, params)
    account.emit("payment_link.created", link)
    return link
  })

  api.get("/v1/payment_links/:id", {}, (_, id) => payment_links.need(id))

  api.get("/v1/payment_links", { ...paging, active: boolean }, (query) =>
    page(
      payment_links,
      "/v1/payment_links",
      query,
      ({ active }) => query.active === undefined || active === query.active,
    ),
  )

  api.post("/v1/payment_links/:id", changes, ({ active, line_items, ...given }, id) => {
    const link = payment_links.need(id)
    for (const change of line_items ?? []) changeLine(link_lines.need(id).items, change)
    assignGiven(link, { active })
    apply(account, link, given)
    account.emit("payment_link.updated", link)
    return link
  })

  api.get("/v1/payment_links/:id/line_items", paging, (query, id) =>
    lineItems(
      account,
      link_lines.need(payment_links.need(id).id).items,
      `/v1/payment_links/${id}/line_items`,
      query,
    ),
  )
}
