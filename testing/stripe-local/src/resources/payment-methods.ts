import type Stripe from "stripe"
import type { Account } from "../account.js"
import type { Api } from "../api.js"
import { noSuch, refused } from "../errors.js"
import { newId } from "../ids.js"
import { page, paging } from "../pages.js"
import {
  address,
  assignGiven,
  mergeMetadata,
  metadata,
  nested,
  oneOf,
  type Params,
  required,
  text,
} from "../params.js"
import { needCustomer } from "./customers.js"
import { testCard } from "./test-cards.js"

const billing = nested({ address, email: text, name: text, phone: text, tax_id: text })

/** The data of a new payment method; of cards, only Stripe's test tokens are taken. */
export const paymentMethodData = {
  type: required(oneOf("card")),
  card: nested({ token: text }),
  billing_details: billing,
  metadata,
}

/** How a call names the payment method to use. */
export const methodChoice = { payment_method: text, payment_method_data: nested(paymentMethodData) }

export function chosenMethod(
  account: Account,
  given: Partial<Params<typeof methodChoice>>,
): Stripe.PaymentMethod | undefined {
  if (given.payment_method) return usePaymentMethod(account, given.payment_method)
  return given.payment_method_data ? newPaymentMethod(account, given.payment_method_data) : undefined
}

/** The payment method that `pm_card_…` or an id stands for: a test card becomes a payment method of its own. */
export function usePaymentMethod(account: Account, given: string): Stripe.PaymentMethod {
  const known = account.store.payment_methods.get(given)
  if (known) return known
  if (!given.startsWith("pm_card_")) throw noSuch("PaymentMethod", given, "payment_method", 400)
  return createPaymentMethod(account, { token: given, param: "payment_method" })
}

export function newPaymentMethod(
  account: Account,
  data: Params<typeof paymentMethodData>,
): Stripe.PaymentMethod {
  const method = createPaymentMethod(account, { token: data.card?.token ?? "tok_visa", param: "card[token]" })
  assignGiven(method.billing_details, data.billing_details ?? {})
  method.metadata = mergeMetadata({}, data.metadata)
  return method
}

function createPaymentMethod(account: Account, { token, param }: { token: string; param: string }) {
  const card = testCard(token)
  if (!card) throw noSuch(param === "payment_method" ? "PaymentMethod" : "token", token, param, 400)
  return account.store.payment_methods.add({
    id: newId("pm"),
    object: "payment_method",
    allow_redisplay: "unspecified",
    billing_details: { address: null, email: null, name: null, phone: null, tax_id: null },
    card: {
      brand: card.brand,
      checks: { address_line1_check: null, address_postal_code_check: null, cvc_check: "pass" },
      country: "US",
      display_brand: card.brand,
      exp_month: 12,
      exp_year: new Date().getFullYear() + 5,
      fingerprint: null,
      funding: card.funding,
      generated_from: null,
      last4: card.last4,
      networks: { available: [card.brand], preferred: null },
      regulated_status: "unregulated",
      three_d_secure_usage: { supported: true },
      wallet: null,
    },
    created: account.now(),
    customer: null,
    customer_account: null,
    livemode: false,
    metadata: {},
    type: "card",
  })
}

/** Saves a payment method for a customer. */
export function attach(account: Account, method: Stripe.PaymentMethod, customer: string): void {
  if (method.customer === customer) return
  method.customer = customer
  account.emit("payment_method.attached", method)
}

export function paymentMethods(api: Api, account: Account): void {
  const { payment_methods } = account.store

  api.post("/v1/payment_methods", paymentMethodData, (data) => newPaymentMethod(account, data))

  api.get("/v1/payment_methods/:id", {}, (_, id) => payment_methods.need(id, "payment_method"))

  api.get("/v1/payment_methods", { ...paging, customer: text, type: text }, (query) =>
    page(
      payment_methods,
      "/v1/payment_methods",
      query,
      ({ customer, type }) =>
        customer !== null && customer === query.customer && (!query.type || type === query.type),
    ),
  )

  api.get("/v1/customers/:id/payment_methods", { ...paging, type: text }, (query, id) =>
    page(
      payment_methods,
      `/v1/customers/${id}/payment_methods`,
      query,
      ({ customer, type }) => customer === id && (!query.type || type === query.type),
    ),
  )

  api.post("/v1/payment_methods/:id/attach", { customer: required(text) }, ({ customer }, id) => {
    const method = payment_methods.get(id) ?? usePaymentMethod(account, id)
    attach(account, method, needCustomer(account, customer, "customer", 400).id)
    return method
  })

  api.post("/v1/payment_methods/:id/detach", {}, (_, id) => {
    const method = payment_methods.need(id, "payment_method")
    if (!method.customer) {
      throw refused(
        "The payment method you provided is not attached to a customer so detachment is impossible.",
      )
    }
    method.customer = null
    account.emit("payment_method.detached", method)
    return method
  })
}
