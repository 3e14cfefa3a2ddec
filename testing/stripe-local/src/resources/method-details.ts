import type Stripe from "stripe"
import { testAccount } from "./test-accounts.js"
import { testCard } from "./test-cards.js"

type Kind = "boleto" | "card" | "card_present" | "oxxo" | "sepa_debit" | "us_bank_account"

/** What a payment method of each type has of its own. */
export type MethodDetails = Pick<Stripe.PaymentMethod, "type" | Kind>

/** The card of a name such as `pm_card_visa` or `tok_visa`. */
export function testCardDetails(name: string): MethodDetails | undefined {
  const known = testCard(name)
  if (!known) return undefined
  return {
    type: "card",
    card: {
      brand: known.brand,
      checks: { address_line1_check: null, address_postal_code_check: null, cvc_check: "pass" },
      country: "US",
      display_brand: known.brand,
      exp_month: 12,
      exp_year: new Date().getFullYear() + 5,
      fingerprint: null,
      funding: known.funding,
      generated_from: null,
      last4: known.last4,
      networks: { available: [known.brand], preferred: null },
      regulated_status: "unregulated",
      three_d_secure_usage: { supported: true },
      wallet: null,
    },
  }
}

/** The bank account of a name such as `pm_success_de` or `pm_usBankAccount_success`. */
export function testAccountDetails(name: string): MethodDetails | undefined {
  const known = testAccount(name)
  if (!known) return undefined
  if (known.type === "sepa_debit") return sepaDetails(known.number)
  return usBankDetails({ account_number: known.number, routing_number: "110000000" })
}

export function sepaDetails(iban: string): MethodDetails {
  const digits = iban.replaceAll(" ", "")
  return {
    type: "sepa_debit",
    sepa_debit: {
      bank_code: digits.slice(4, 12),
      branch_code: null,
      country: digits.slice(0, 2),
      fingerprint: null,
      generated_from: null,
      last4: digits.slice(-4),
    },
  }
}

interface UsBank {
  account_number: string
  routing_number: string
  account_holder_type?: "company" | "individual"
  account_type?: "checking" | "savings"
}

export function usBankDetails(given: UsBank): MethodDetails {
  return {
    type: "us_bank_account",
    us_bank_account: {
      account_holder_type: given.account_holder_type ?? "individual",
      account_type: given.account_type ?? "checking",
      bank_name: "STRIPE TEST BANK",
      financial_connections_account: null,
      fingerprint: null,
      last4: given.account_number.slice(-4),
      networks: { preferred: "ach", supported: ["ach"] },
      routing_number: given.routing_number,
      status_details: {},
    },
  }
}

/** A card at a reader, read without contact. */
export function presentCard(): MethodDetails {
  return {
    type: "card_present",
    card_present: {
      brand: "visa",
      brand_product: null,
      cardholder_name: null,
      country: "US",
      exp_month: 12,
      exp_year: new Date().getFullYear() + 5,
      fingerprint: null,
      funding: "credit",
      last4: "9969",
      networks: { available: ["visa"], preferred: null },
      offline: null,
      preferred_locales: ["en"],
      read_method: "contactless_emv",
    },
  }
}
