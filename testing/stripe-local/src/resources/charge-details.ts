import type Stripe from "stripe"
import type { Account } from "../account.js"
import { newId } from "../ids.js"

type Details = Stripe.Charge.PaymentMethodDetails

const AUTHORISED_FOR = 7 * 24 * 60 * 60

export function isCard({ type }: { type: string }): boolean {
  return type === "card" || type === "card_present"
}

/** What a charge says of the payment method that it used. */
export function paymentMethodDetails(
  account: Account,
  intent: Stripe.PaymentIntent,
  method: Stripe.PaymentMethod,
): Details {
  if (method.sepa_debit) return { type: method.type, sepa_debit: sepaDebit(method.sepa_debit) }
  if (method.us_bank_account) return { type: method.type, us_bank_account: usBank(method.us_bank_account) }
  if (method.boleto) return { type: method.type, boleto: { ...method.boleto } }
  if (method.oxxo) return { type: method.type, oxxo: { number: null } }
  if (method.card_present) {
    return { type: method.type, card_present: cardPresent(account, intent, method.card_present) }
  }
  return { type: "card", card: card(account, intent, method) }
}

const READER_AUTHORISED_FOR = 2 * 24 * 60 * 60

function cardPresent(
  account: Account,
  intent: Stripe.PaymentIntent,
  card: Stripe.PaymentMethod.CardPresent,
): Details["card_present"] {
  const { networks: _, offline: __, ...read } = card
  return {
    ...read,
    amount_authorized: intent.amount,
    ...(intent.capture_method === "manual" && { capture_before: account.now() + READER_AUTHORISED_FOR }),
    emv_auth_data: null,
    generated_card: null,
    incremental_authorization_supported: false,
    network: card.brand,
    network_transaction_id: null,
    offline: null,
    overcapture_supported: false,
    receipt: null,
  }
}

function sepaDebit({ bank_code, branch_code, country, fingerprint, last4 }: Stripe.PaymentMethod.SepaDebit) {
  return { bank_code, branch_code, country, fingerprint, last4, mandate: newId("mandate") }
}

function usBank(account: Stripe.PaymentMethod.UsBankAccount): Details["us_bank_account"] {
  const { account_holder_type, account_type, bank_name, fingerprint, last4, routing_number } = account
  const mandate = newId("mandate")
  const payment_reference = null
  const holder = { account_holder_type, account_type, bank_name, fingerprint, last4, routing_number }
  return { ...holder, mandate, payment_reference }
}

function card(
  account: Account,
  intent: Stripe.PaymentIntent,
  { card }: Stripe.PaymentMethod,
): Stripe.Charge.PaymentMethodDetails.Card {
  const options = intent.payment_method_options?.card as { request_multicapture?: string } | undefined
  const several = options?.request_multicapture === "if_available"
  return {
    amount_authorized: intent.amount,
    authorization_code: null,
    brand: card?.brand ?? null,
    ...(intent.capture_method === "manual" && { capture_before: account.now() + AUTHORISED_FOR }),
    checks: card?.checks ?? null,
    country: card?.country ?? null,
    electronic_commerce_indicator: null,
    exp_month: card?.exp_month ?? 12,
    exp_year: card?.exp_year ?? 2099,
    extended_authorization: { status: "disabled" },
    fingerprint: null,
    funding: card?.funding ?? null,
    incremental_authorization: { status: "unavailable" },
    installments: null,
    last4: card?.last4 ?? null,
    mandate: null,
    multicapture: { status: several ? "available" : "unavailable" },
    network: card?.brand ?? null,
    network_token: { used: false },
    network_transaction_id: null,
    overcapture: { maximum_amount_capturable: intent.amount, status: "unavailable" },
    regulated_status: "unregulated",
    three_d_secure: null,
    transaction_link_id: null,
    wallet: null,
  }
}
