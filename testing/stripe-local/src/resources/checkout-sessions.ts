import type Stripe from "stripe"
import type { Account } from "../account.js"
import type { Api } from "../api.js"
import { refused } from "../errors.js"
import { newId, random } from "../ids.js"
import { created, page, paging } from "../pages.js"
import {
  anything,
  boolean,
  currency,
  integer,
  list,
  mergeMetadata,
  metadata,
  nested,
  oneOf,
  type Params,
  required,
  text,
} from "../params.js"
import { createLine, lineItem, lineItems } from "./checkout-lines.js"
import { needCustomer } from "./customers.js"
import { paymentIntentData } from "./intent-details.js"

type Session = Stripe.Checkout.Session

const shippingOption = nested({
  shipping_rate_data: required(
    nested({
      display_name: required(text),
      type: oneOf("fixed_amount"),
      fixed_amount: required(nested({ amount: required(integer), currency: required(currency) })),
      metadata,
    }),
  ),
})

const creation = {
  mode: required(oneOf("payment")),
  line_items: required(list(lineItem)),
  allow_promotion_codes: boolean,
  allowed_payment_method_types: list(text),
  billing_address_collection: oneOf("auto", "required"),
  cancel_url: text,
  client_reference_id: text,
  customer: text,
  customer_creation: oneOf("always", "if_required"),
  customer_email: text,
  expires_at: integer,
  locale: text,
  metadata,
  payment_intent_data: paymentIntentData,
  payment_method_options: anything,
  payment_method_types: list(text),
  phone_number_collection: nested({ enabled: required(boolean) }),
  return_url: text,
  shipping_address_collection: nested({ allowed_countries: required(list(text)) }),
  shipping_options: list(shippingOption),
  submit_type: text,
  success_url: text,
  ui_mode: text,
}

type Creation = Params<typeof creation>

const DAY = 24 * 60 * 60

function createSession(account: Account, params: Creation): Session {
  const { checkout_sessions, session_lines } = account.store
  if (params.customer) needCustomer(account, params.customer, "customer", 400)
  const items = params.line_items.map((item) => createLine(account, item))
  const [first] = items
  if (!first) throw refused("You must provide at least one line item.", { param: "line_items" })
  const subtotal = items.reduce((sum, { amount_total }) => sum + amount_total, 0)
  const shipping = (params.shipping_options ?? []).map(({ shipping_rate_data }) => ({
    shipping_amount: shipping_rate_data.fixed_amount.amount,
    shipping_rate: newId("shr"),
  }))
  const session = draft(account, params, { currency: first.currency, subtotal, shipping })
  const { allowed_payment_method_types, payment_method_types } = params
  const payment = { ...params.payment_intent_data, allowed_payment_method_types, payment_method_types }
  session_lines.add({ id: session.id, items, payment })
  return checkout_sessions.add(session)
}

interface Sums {
  currency: string
  subtotal: number
  shipping: Stripe.Checkout.Session.ShippingOption[]
}

function draft(account: Account, params: Creation, { currency, subtotal, shipping }: Sums): Session {
  const id = `cs_test_${random(58)}`
  const [chosen] = shipping
  return {
    id,
    object: "checkout.session",
    adaptive_pricing: null,
    after_expiration: null,
    allow_promotion_codes: params.allow_promotion_codes ?? null,
    allowed_payment_method_types: params.allowed_payment_method_types ?? null,
    amount_subtotal: subtotal,
    amount_total: subtotal + (chosen?.shipping_amount ?? 0),
    automatic_tax: { enabled: false, liability: null, provider: null, status: null },
    billing_address_collection: params.billing_address_collection ?? null,
    cancel_url: params.cancel_url ?? null,
    client_reference_id: params.client_reference_id ?? null,
    client_secret: null,
    collected_information: null,
    consent: null,
    consent_collection: null,
    created: account.now(),
    currency,
    currency_conversion: null,
    custom_fields: [],
    custom_text: {
      after_submit: null,
      shipping_address: null,
      submit: null,
      terms_of_service_acceptance: null,
    },
    customer: params.customer ?? null,
    customer_account: null,
    customer_creation: params.customer ? null : (params.customer_creation ?? "if_required"),
    customer_details: null,
    customer_email: params.customer_email ?? null,
    discounts: [],
    expires_at: params.expires_at ?? account.now() + DAY,
    integration_identifier: null,
    invoice: null,
    invoice_creation: null,
    livemode: false,
    locale: (params.locale ?? null) as Session["locale"],
    managed_payments: null,
    metadata: mergeMetadata({}, params.metadata),
    mode: params.mode,
    origin_context: null,
    payment_intent: null,
    payment_link: null,
    payment_method_collection: "always",
    payment_method_configuration_details: null,
    payment_method_options: (params.payment_method_options ?? {}) as Session["payment_method_options"],
    payment_method_types: params.payment_method_types ?? params.allowed_payment_method_types ?? ["card"],
    payment_status: "unpaid",
    permissions: null,
    phone_number_collection: { enabled: params.phone_number_collection?.enabled ?? false },
    recovered_from: null,
    ...(params.return_url && { return_url: params.return_url }),
    saved_payment_method_options: null,
    setup_intent: null,
    shipping_address_collection: (params.shipping_address_collection ??
      null) as Session["shipping_address_collection"],
    shipping_cost: chosen
      ? {
          amount_subtotal: chosen.shipping_amount,
          amount_tax: 0,
          amount_total: chosen.shipping_amount,
          shipping_rate: chosen.shipping_rate,
        }
      : null,
    shipping_options: shipping,
    status: "open",
    submit_type: (params.submit_type ?? null) as Session["submit_type"],
    subscription: null,
    success_url: params.success_url ?? null,
    total_details: { amount_discount: 0, amount_shipping: chosen?.shipping_amount ?? 0, amount_tax: 0 },
    ui_mode: (params.ui_mode ?? "hosted") as Session["ui_mode"],
    url: `https://checkout.stripe.com/c/pay/${id}`,
    wallet_options: null,
  }
}

export function checkoutSessions(api: Api, account: Account): void {
  const { checkout_sessions } = account.store

  const find = (id: string) => checkout_sessions.need(id, "session")

  api.post("/v1/checkout/sessions", creation, (params) => createSession(account, params))

  api.get("/v1/checkout/sessions/:id", {}, (_, id) => find(id))

  const query = { ...paging, created, customer: text, payment_intent: text, status: text }
  api.get("/v1/checkout/sessions", query, (query) =>
    page(
      checkout_sessions,
      "/v1/checkout/sessions",
      query,
      (session) =>
        query.created(session.created) &&
        (!query.customer || session.customer === query.customer) &&
        (!query.payment_intent || session.payment_intent === query.payment_intent) &&
        (!query.status || session.status === query.status),
    ),
  )

  api.get("/v1/checkout/sessions/:id/line_items", paging, (query, id) =>
    lineItems(account, find(id).id, query),
  )

  api.post("/v1/checkout/sessions/:id/expire", {}, (_, id) => {
    const session = find(id)
    if (session.status !== "open") {
      throw refused(
        `Only Checkout Sessions with a status in ["open"] can be expired. This Checkout Session has a status of ${session.status}.`,
      )
    }
    session.status = "expired"
    session.url = null
    account.emit("checkout.session.expired", session)
    return session
  })
}
