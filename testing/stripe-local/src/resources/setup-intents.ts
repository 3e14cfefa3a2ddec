import type Stripe from "stripe"
import type { Account } from "../account.js"
import type { Api } from "../api.js"
import { ApiError, refused } from "../errors.js"
import { newId, random } from "../ids.js"
import { anything, boolean, list, mergeMetadata, metadata, nested, oneOf, required, text } from "../params.js"
import { needCustomer } from "./customers.js"
import { attach, chosenMethod, methodChoice } from "./payment-methods.js"
import { cardError, type Decline, outcomeOf } from "./test-cards.js"

const confirmation = { ...methodChoice, return_url: text }

const creation = {
  ...confirmation,
  automatic_payment_methods: nested({
    enabled: required(boolean),
    allow_redirects: oneOf("always", "never"),
  }),
  confirm: boolean,
  customer: text,
  description: text,
  metadata,
  payment_method_options: anything,
  payment_method_types: list(text),
  usage: oneOf("on_session", "off_session"),
}

/** Saves a payment method for later; it takes no money. */
export function setupIntents(api: Api, account: Account): void {
  const { payment_methods, setup_intents } = account.store

  const find = (id: string) => setup_intents.need(id, "intent")

  function confirm(intent: Stripe.SetupIntent): Stripe.SetupIntent {
    const method = payment_methods.get(String(intent.payment_method))
    if (intent.status === "succeeded" || !method) {
      const why = method ? "it has already succeeded" : "it's missing a payment method"
      throw refused(`You cannot confirm this SetupIntent because ${why}.`, {
        code: "setup_intent_unexpected_state",
        setup_intent: structuredClone(intent),
      })
    }
    const outcome = outcomeOf(method.card?.last4)
    if (outcome.kind === "decline") throw decline(intent, method, outcome)
    intent.status = "succeeded"
    if (intent.customer) attach(account, method, String(intent.customer))
    account.emit("setup_intent.succeeded", intent)
    return intent
  }

  function decline(intent: Stripe.SetupIntent, method: Stripe.PaymentMethod, why: Decline): ApiError {
    const error = cardError(why, method)
    intent.status = "requires_payment_method"
    intent.payment_method = null
    intent.last_setup_error = error
    account.emit("setup_intent.setup_failed", intent)
    return new ApiError(402, { ...error, setup_intent: structuredClone(intent) })
  }

  api.post("/v1/setup_intents", creation, (params) => {
    if (params.customer) needCustomer(account, params.customer, "customer", 400)
    const method = chosenMethod(account, params)
    const id = newId("seti")
    const intent = setup_intents.add({
      id,
      object: "setup_intent",
      allowed_payment_method_types: null,
      application: null,
      automatic_payment_methods: params.payment_method_types
        ? null
        : {
            enabled: true,
            allow_redirects: params.automatic_payment_methods?.allow_redirects ?? "always",
          },
      cancellation_reason: null,
      client_secret: `${id}_secret_${random(25)}`,
      created: account.now(),
      customer: params.customer ?? null,
      description: params.description ?? null,
      excluded_payment_method_types: null,
      flow_directions: null,
      last_setup_error: null,
      latest_attempt: null,
      livemode: false,
      mandate: null,
      metadata: mergeMetadata({}, params.metadata),
      next_action: null,
      on_behalf_of: null,
      payment_method: method?.id ?? null,
      payment_method_configuration_details: null,
      payment_method_options: (params.payment_method_options ??
        {}) as Stripe.SetupIntent["payment_method_options"],
      payment_method_types: params.payment_method_types ?? ["card"],
      single_use_mandate: null,
      status: method ? "requires_confirmation" : "requires_payment_method",
      usage: params.usage ?? "off_session",
    })
    account.emit("setup_intent.created", intent)
    return params.confirm ? confirm(intent) : intent
  })

  api.get("/v1/setup_intents/:id", {}, (_, id) => find(id))

  api.post("/v1/setup_intents/:id/confirm", confirmation, (params, id) => {
    const intent = find(id)
    const method = chosenMethod(account, params)
    if (method) intent.payment_method = method.id
    return confirm(intent)
  })
}
