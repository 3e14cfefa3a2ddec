import type Stripe from "stripe"
import type { Account } from "../account.js"
import type { Api } from "../api.js"
import { badParam, noSuch, refused } from "../errors.js"
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
import {
  type MethodDetails,
  presentCard,
  sepaDetails,
  testAccountDetails,
  testCardDetails,
  usBankDetails,
} from "./method-details.js"

const billing = nested({ address, email: text, name: text, phone: text, tax_id: text })

/** The data of a new payment method; of cards, only Stripe's test tokens are taken. */
export const paymentMethodData = {
  type: required(oneOf("card", "sepa_debit", "us_bank_account", "boleto", "oxxo")),
  card: nested({ token: text }),
  sepa_debit: nested({ iban: required(text) }),
  us_bank_account: nested({
    account_number: required(text),
    routing_number: required(text),
    account_holder_type: oneOf("company", "individual"),
    account_type: oneOf("checking", "savings"),
  }),
  boleto: nested({ tax_id: required(text) }),
  oxxo: nested({}),
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

/**
 * The payment method of this id, or of one of Stripe's names (`pm_card_visa`, `pm_success_de`): each use of a name
 * makes a payment method of its own.
 */
export function usePaymentMethod(account: Account, given: string): Stripe.PaymentMethod {
  const known = account.store.payment_methods.get(given)
  if (known) return known
  const details = given.startsWith("pm_card_") ? testCardDetails(given) : testAccountDetails(given)
  if (!details) throw noSuch("PaymentMethod", given, "payment_method", 400)
  return createPaymentMethod(account, details)
}

export function newPaymentMethod(
  account: Account,
  data: Params<typeof paymentMethodData>,
): Stripe.PaymentMethod {
  const method = createPaymentMethod(account, givenDetails(data))
  assignGiven(method.billing_details, data.billing_details ?? {})
  method.metadata = mergeMetadata({}, data.metadata)
  return method
}

function givenDetails(data: Params<typeof paymentMethodData>): MethodDetails {
  const { type, boleto, sepa_debit, us_bank_account } = data
  if (type === "sepa_debit") return sepaDetails(given(sepa_debit, type).iban)
  if (type === "us_bank_account") return usBankDetails(given(us_bank_account, type))
  if (type === "boleto") return { type, boleto: given(boleto, type) }
  if (type === "oxxo") return { type, oxxo: {} }
  const token = data.card?.token ?? "tok_visa"
  const card = testCardDetails(token)
  if (!card) throw noSuch("token", token, "card[token]", 400)
  return card
}

function given<T>(details: T | null | undefined, type: string): T {
  if (!details) throw badParam(`Missing required param: ${type}.`, type, "parameter_missing")
  return details
}

/** The card that was presented to a terminal's reader. */
export function terminalCard(account: Account): Stripe.PaymentMethod {
  return createPaymentMethod(account, presentCard())
}

function createPaymentMethod(account: Account, details: MethodDetails): Stripe.PaymentMethod {
  return account.store.payment_methods.add({
    id: newId("pm"),
    object: "payment_method",
    allow_redisplay: "unspecified",
    billing_details: { address: null, email: null, name: null, phone: null, tax_id: null },
    created: account.now(),
    customer: null,
    customer_account: null,
    livemode: false,
    metadata: {},
    ...details,
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
