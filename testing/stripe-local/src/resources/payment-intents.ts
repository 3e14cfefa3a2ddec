import type Stripe from "stripe"
import type { Account } from "../account.js"
import type { Api } from "../api.js"
import { badParam, unexpectedState } from "../errors.js"
import { newId, random } from "../ids.js"
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
  oneOf,
  type Params,
  positive,
  required,
  type Shipping,
  shipping,
  text,
} from "../params.js"
import { cancel, capture } from "./captures.js"
import { needCustomer } from "./customers.js"
import { intentDetails } from "./intent-details.js"
import { confirm } from "./payment-flow.js"
import { chosenMethod, methodChoice } from "./payment-methods.js"
import { checkShares } from "./shares.js"

type Intent = Stripe.PaymentIntent

const method = {
  ...methodChoice,
  allowed_payment_method_types: list(text),
  payment_method_options: anything,
  // Gone from the newest versions of the API in favour of `allowed_payment_method_types`; older callers send it.
  payment_method_types: list(text),
}

const confirmation = {
  ...method,
  capture_method: intentDetails.capture_method,
  error_on_requires_action: boolean,
  mandate_data: anything,
  off_session: boolean,
  receipt_email: text,
  return_url: text,
  setup_future_usage: intentDetails.setup_future_usage,
  shipping,
  use_stripe_sdk: boolean,
}

const automatic = nested({ enabled: required(boolean), allow_redirects: oneOf("always", "never") })

const intentCreation = {
  application_fee_amount: positive,
  on_behalf_of: text,
  transfer_data: nested({ destination: required(text), amount: positive }),
  ...confirmation,
  ...intentDetails,
  amount: required(positive),
  automatic_payment_methods: automatic,
  confirm: boolean,
  confirmation_method: oneOf("automatic", "manual"),
  currency: required(currency),
  payment_method_configuration: text,
}

/** Only what other products of Stripe do sets the two details here. */
type NewIntent = Params<typeof intentCreation> & Pick<Intent, "amount_details" | "payment_details">

export function createIntent(
  account: Account,
  params: Pick<NewIntent, "amount" | "currency"> & Partial<NewIntent>,
): Intent {
  if (params.customer) needCustomer(account, params.customer, "customer", 400)
  checkShares(account, params)
  const chosen = chosenMethod(account, params)
  const id = newId("pi")
  const intent = account.store.payment_intents.add({
    id,
    object: "payment_intent",
    allowed_payment_method_types: params.allowed_payment_method_types ?? null,
    amount: params.amount,
    amount_capturable: 0,
    amount_details: params.amount_details ?? { tip: {} },
    amount_received: 0,
    application: account.connection ? "ca_local" : null,
    application_fee_amount: params.application_fee_amount ?? null,
    automatic_payment_methods: params.payment_method_types
      ? null
      : { enabled: true, allow_redirects: params.automatic_payment_methods?.allow_redirects ?? "always" },
    canceled_at: null,
    cancellation_reason: null,
    capture_method: params.capture_method ?? "automatic_async",
    client_secret: `${id}_secret_${random(25)}`,
    confirmation_method: params.confirmation_method ?? "automatic",
    created: account.now(),
    currency: params.currency,
    customer: params.customer ?? null,
    customer_account: null,
    description: params.description ?? null,
    excluded_payment_method_types: null,
    last_payment_error: null,
    latest_charge: null,
    livemode: false,
    managed_payments: null,
    metadata: mergeMetadata({}, params.metadata),
    next_action: null,
    on_behalf_of: params.on_behalf_of ?? null,
    ...(params.payment_details && { payment_details: params.payment_details }),
    payment_method: chosen?.id ?? null,
    payment_method_configuration_details: null,
    payment_method_options: (params.payment_method_options ?? {}) as Intent["payment_method_options"],
    payment_method_types: params.payment_method_types ?? params.allowed_payment_method_types ?? ["card"],
    payment_record: null,
    processing: null,
    receipt_email: params.receipt_email ?? null,
    review: null,
    setup_future_usage: params.setup_future_usage ?? null,
    shipping: shippingOf(params.shipping),
    source: null,
    statement_descriptor: params.statement_descriptor ?? null,
    statement_descriptor_suffix: params.statement_descriptor_suffix ?? null,
    status: chosen ? "requires_confirmation" : "requires_payment_method",
    transfer_data: params.transfer_data ?? null,
    transfer_group: params.transfer_group ?? null,
  })
  account.emit("payment_intent.created", intent)
  if (params.confirm) confirm(account, intent, chosen)
  return intent
}

export function shippingOf(given: Shipping | null | undefined): Intent["shipping"] {
  if (!given) return null
  const { carrier = null, phone = null, tracking_number = null } = given
  return { ...given, carrier, phone, tracking_number }
}

function update(account: Account, intent: Intent, change: Params<typeof changes>): Intent {
  const open = ["requires_payment_method", "requires_confirmation", "requires_action"].includes(intent.status)
  const { amount, currency } = change
  if ((amount !== undefined || currency !== undefined) && !open) {
    throw unexpectedState(
      `This PaymentIntent's amount could not be updated because it has a status of ${intent.status}. You may only update the amount of a PaymentIntent with one of the following statuses: requires_payment_method, requires_confirmation, requires_action.`,
      intent,
    )
  }
  if (change.customer) needCustomer(account, change.customer, "customer", 400)
  assignGiven(intent, { amount, currency })
  apply(intent, change)
  const chosen = chosenMethod(account, change)
  if (chosen && open) {
    intent.payment_method = chosen.id
    intent.status = "requires_confirmation"
  }
  return intent
}

function apply(intent: Intent, change: Partial<Params<typeof changes>>): void {
  const { capture_method, customer, description, receipt_email } = change
  const { allowed_payment_method_types, payment_method_types = allowed_payment_method_types } = change
  const { setup_future_usage, transfer_group } = change
  assignGiven(intent, { capture_method, customer, description, receipt_email })
  assignGiven(intent, { allowed_payment_method_types, payment_method_types })
  assignGiven(intent, { setup_future_usage, transfer_group })
  if (change.shipping !== undefined) intent.shipping = shippingOf(change.shipping)
  intent.metadata = mergeMetadata(intent.metadata, change.metadata)
}

const changes = { ...method, ...intentDetails, amount: positive, currency }

export function paymentIntents(api: Api, account: Account): void {
  const { payment_intents, payment_methods } = account.store

  const find = (id: string) => payment_intents.need(id, "intent")

  api.post("/v1/payment_intents", intentCreation, (params) => createIntent(account, params))

  api.get("/v1/payment_intents", { ...paging, created, customer: text }, (query) =>
    page(
      payment_intents,
      "/v1/payment_intents",
      query,
      (intent) => query.created(intent.created) && (!query.customer || intent.customer === query.customer),
    ),
  )

  api.get("/v1/payment_intents/:id", { client_secret: text }, ({ client_secret }, id) => {
    const intent = find(id)
    if (client_secret && client_secret !== intent.client_secret) {
      throw badParam("The client_secret provided does not match the PaymentIntent.", "client_secret")
    }
    return intent
  })

  api.post("/v1/payment_intents/:id", changes, (change, id) => update(account, find(id), change))

  api.post("/v1/payment_intents/:id/confirm", confirmation, (params, id) => {
    const intent = find(id)
    const chosen = chosenMethod(account, params) ?? payment_methods.get(String(intent.payment_method))
    apply(intent, params)
    confirm(account, intent, chosen)
    return intent
  })

  const capturing = {
    application_fee_amount: positive,
    amount_to_capture: positive,
    final_capture: boolean,
    metadata,
  }
  api.post("/v1/payment_intents/:id/capture", capturing, (params, id) => {
    const intent = find(id)
    const { amount_to_capture: amount, application_fee_amount, final_capture: final, metadata } = params
    assignGiven(intent, { application_fee_amount })
    capture(account, intent, { amount, final, metadata })
    return intent
  })

  const canceling = {
    cancellation_reason: oneOf("abandoned", "duplicate", "fraudulent", "requested_by_customer"),
  }
  api.post("/v1/payment_intents/:id/cancel", canceling, ({ cancellation_reason = null }, id) => {
    const intent = find(id)
    cancel(account, intent, cancellation_reason)
    return intent
  })
}
