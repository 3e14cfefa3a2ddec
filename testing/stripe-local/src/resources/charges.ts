import type Stripe from "stripe"
import type { Account } from "../account.js"
import type { Api } from "../api.js"
import { newId } from "../ids.js"
import { created, page, paging } from "../pages.js"
import { assignGiven, mergeMetadata, metadata, text } from "../params.js"
import { isCard, paymentMethodDetails } from "./charge-details.js"
import type { Decline } from "./test-cards.js"

interface Attempt {
  captured: boolean
  failure?: Decline
  /** The bank has not answered yet. */
  pending?: boolean
}

/** The charge of one attempt to pay. */
export function createCharge(
  account: Account,
  intent: Stripe.PaymentIntent,
  method: Stripe.PaymentMethod,
  { captured, failure, pending = false }: Attempt,
): Stripe.Charge {
  // Stripe names a card's charge `ch_` and every other one `py_`.
  const id = newId(isCard(method) ? "ch" : "py")
  return account.store.charges.add({
    id,
    object: "charge",
    amount: intent.amount,
    amount_captured: captured ? intent.amount : 0,
    amount_refunded: 0,
    application: null,
    application_fee: null,
    application_fee_amount: null,
    balance_transaction: captured && !pending ? newId("txn") : null,
    billing_details: structuredClone(method.billing_details),
    calculated_statement_descriptor: "HOLDFAST",
    captured,
    created: account.now(),
    currency: intent.currency,
    customer: intent.customer,
    description: intent.description,
    disputed: false,
    failure_balance_transaction: null,
    failure_code: failure?.code ?? null,
    failure_message: failure?.message ?? null,
    fraud_details: {},
    livemode: false,
    metadata: { ...intent.metadata },
    on_behalf_of: null,
    outcome: outcome(failure),
    paid: !failure && !pending,
    payment_intent: intent.id,
    payment_method: method.id,
    payment_method_details: paymentMethodDetails(account, intent, method),
    receipt_email: intent.receipt_email,
    receipt_number: null,
    receipt_url: failure ? null : `https://pay.stripe.com/receipts/payment/${id}`,
    refunded: false,
    review: null,
    shipping: intent.shipping,
    source: null,
    source_transfer: null,
    statement_descriptor: null,
    statement_descriptor_suffix: null,
    status: failure ? "failed" : pending ? "pending" : "succeeded",
    transfer_data: null,
    transfer_group: null,
  })
}

function outcome(failure: Attempt["failure"]): Stripe.Charge.Outcome {
  return {
    advice_code: null,
    network_advice_code: null,
    network_decline_code: null,
    network_status: failure ? "declined_by_network" : "approved_by_network",
    reason: failure?.declineCode ?? failure?.code ?? null,
    risk_level: "normal",
    risk_score: 1,
    seller_message: failure ? "The bank declined the payment." : "Payment complete.",
    type: failure ? "issuer_declined" : "authorized",
  }
}

export function charges(api: Api, account: Account): void {
  const { charges } = account.store

  api.get("/v1/charges/:id", {}, (_, id) => charges.need(id))

  const query = { ...paging, created, customer: text, payment_intent: text }
  api.get("/v1/charges", query, (query) =>
    page(
      charges,
      "/v1/charges",
      query,
      (charge) =>
        query.created(charge.created) &&
        (!query.customer || charge.customer === query.customer) &&
        (!query.payment_intent || charge.payment_intent === query.payment_intent),
    ),
  )

  const changes = { description: text, metadata, receipt_email: text }
  api.post("/v1/charges/:id", changes, ({ metadata, description, receipt_email }, id) => {
    const charge = charges.need(id)
    charge.metadata = mergeMetadata(charge.metadata, metadata)
    assignGiven(charge, { description, receipt_email })
    account.emit("charge.updated", charge)
    return charge
  })
}
