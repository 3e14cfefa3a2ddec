import type Stripe from "stripe"
import type { Account } from "../account.js"
import { random } from "../ids.js"
import { mergeMetadata } from "../params.js"
import type { SessionParams } from "./checkout-sessions.js"

type Session = Stripe.Checkout.Session

const DAY = 24 * 60 * 60

/** A new checkout session, without the sums of its lines. */
export function draftSession(account: Account, params: SessionParams, currency: string): Session {
  const id = `cs_test_${random(58)}`
  return {
    id,
    object: "checkout.session",
    adaptive_pricing: null,
    after_expiration: null,
    allow_promotion_codes: params.allow_promotion_codes ?? null,
    allowed_payment_method_types: params.allowed_payment_method_types ?? null,
    amount_subtotal: 0,
    amount_total: 0,
    automatic_tax: automaticTax(params.automatic_tax?.enabled ?? false),
    billing_address_collection: params.billing_address_collection ?? null,
    cancel_url: params.cancel_url ?? null,
    client_reference_id: params.client_reference_id ?? null,
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
    customer_details: knownCustomer(account, params),
    customer_email: params.customer_email ?? null,
    discounts: [],
    expires_at: params.expires_at ?? account.now() + DAY,
    integration_identifier: null,
    invoice: null,
    invoice_creation: NO_INVOICE,
    livemode: false,
    locale: (params.locale ?? null) as Session["locale"],
    managed_payments: null,
    metadata: mergeMetadata({}, params.metadata),
    mode: "payment",
    origin_context: null,
    payment_intent: null,
    payment_link: null,
    payment_method_collection: "if_required",
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
    shipping_cost: null,
    shipping_options: [],
    status: "open",
    submit_type: (params.submit_type ?? null) as Session["submit_type"],
    subscription: null,
    success_url: params.success_url ?? null,
    total_details: null,
    wallet_options: null,
    ...page(id, params.ui_mode),
  }
}

const NO_INVOICE: Session["invoice_creation"] = {
  enabled: false,
  invoice_data: {
    account_tax_ids: null,
    custom_fields: null,
    description: null,
    footer: null,
    issuer: null,
    metadata: {},
    rendering_options: null,
  },
}

/** Stripe's own page has a URL; one that is part of the shop's has a secret for Stripe.js. */
function page(id: string, given: string | null | undefined) {
  const ui_mode = (given ?? "hosted_page") as Session["ui_mode"]
  if (ui_mode?.startsWith("hosted")) {
    return { ui_mode, client_secret: null, url: `https://checkout.stripe.com/c/pay/${id}` }
  }
  return { ui_mode, client_secret: `${id}_secret_${random(24)}`, url: null }
}

function automaticTax(enabled: boolean): Session["automatic_tax"] {
  if (!enabled) return { enabled, liability: null, provider: null, status: null }
  return { enabled, liability: { type: "self" }, provider: "stripe", status: "requires_location_inputs" }
}

/** What is known of the buyer before the page is filled in. */
function knownCustomer(account: Account, { customer, customer_email }: SessionParams) {
  const known = customer ? account.store.customers.get(customer) : undefined
  const email = customer_email ?? (known?.deleted ? null : known?.email) ?? null
  if (!email) return null
  return {
    address: null,
    business_name: null,
    email,
    individual_name: null,
    name: null,
    phone: null,
    tax_exempt: "none" as const,
    tax_ids: null,
  }
}
