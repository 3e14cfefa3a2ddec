import type Stripe from "stripe"
import { docUrl } from "../errors.js"

/** The outcome of a payment with a test card. */
export type CardOutcome =
  | { kind: "accept" }
  | { kind: "dispute"; reason?: string; inquiry?: boolean }
  | { kind: "refundFails" }
  | { kind: "refundPends" }
  | { kind: "authenticate" }
  | { kind: "decline"; code: string; declineCode?: string; message: string }

export type Decline = Extract<CardOutcome, { kind: "decline" }>

export interface TestCard {
  brand: string
  last4: string
  funding: string
  outcome: CardOutcome
}

const ACCEPT: CardOutcome = { kind: "accept" }

function card(brand: string, last4: string, outcome = ACCEPT, funding = "credit"): TestCard {
  return { brand, last4, funding, outcome }
}

function declined(last4: string, declineCode: string, message = "Your card was declined."): TestCard {
  return card("visa", last4, { kind: "decline", code: "card_declined", declineCode, message })
}

function failing(last4: string, code: string, message: string): TestCard {
  return card("visa", last4, { kind: "decline", code, message })
}

const GENERIC = declined("0002", "generic_decline")
const FUNDS = declined("9995", "insufficient_funds", "Your card has insufficient funds.")
const LOST = declined("9987", "lost_card")
const STOLEN = declined("9979", "stolen_card")
const VELOCITY = declined(
  "6975",
  "card_velocity_exceeded",
  "Your card was declined for making repeated attempts too frequently or exceeding its amount limit.",
)
const DISPUTED = card("visa", "0259", { kind: "dispute" })
const NOT_RECEIVED = card("visa", "2685", { kind: "dispute", reason: "product_not_received" })
const INQUIRED = card("visa", "1976", { kind: "dispute", inquiry: true })
// 4000000000007726 and 4000000000005126 in docs.stripe.com/testing, "Simulate an asynchronous refund". The refund of
// the latter begins as any other's; its failure is the test's to bring about.
const PENDING_REFUND = card("visa", "7726", { kind: "refundPends" })
const FAILING_REFUND = card("visa", "5126", { kind: "refundFails" })
const AUTHENTICATE = card("visa", "3220", { kind: "authenticate" })

/** Stripe's test cards by the end of their names: `pm_card_…` and `tok_…` mean the same. */
const CARDS: Record<string, TestCard> = {
  visa: card("visa", "4242"),
  visa_debit: card("visa", "5556", ACCEPT, "debit"),
  mastercard: card("mastercard", "4444"),
  mastercard_debit: card("mastercard", "3222", ACCEPT, "debit"),
  amex: card("amex", "8431"),
  discover: card("discover", "9424"),
  jcb: card("jcb", "0505"),
  chargeDeclined: GENERIC,
  visa_chargeDeclined: GENERIC,
  chargeDeclinedInsufficientFunds: FUNDS,
  visa_chargeDeclinedInsufficientFunds: FUNDS,
  visa_chargeDeclinedLostCard: LOST,
  visa_chargeDeclinedStolenCard: STOLEN,
  visa_chargeDeclinedVelocityLimitExceeded: VELOCITY,
  chargeDeclinedFraudulent: declined("0019", "fraudulent"),
  chargeDeclinedExpiredCard: failing("0069", "expired_card", "Your card has expired."),
  chargeDeclinedIncorrectCvc: failing("0127", "incorrect_cvc", "Your card's security code is incorrect."),
  chargeDeclinedProcessingError: failing(
    "0119",
    "processing_error",
    "An error occurred while processing your card. Try again in a little bit.",
  ),
  createDispute: DISPUTED,
  createDisputeProductNotReceived: NOT_RECEIVED,
  createDisputeInquiry: INQUIRED,
  pendingRefund: PENDING_REFUND,
  refundFail: FAILING_REFUND,
  authenticationRequired: AUTHENTICATE,
  threeDSecure2Required: AUTHENTICATE,
  threeDSecureRequired: AUTHENTICATE,
}

/** The test card of a name such as `pm_card_visa` or `tok_visa`. */
export function testCard(name: string): TestCard | undefined {
  return CARDS[name.replace(/^(pm_card|tok)_/, "")]
}

/** The outcome of a stored card, which is recognised by its last four digits. */
export function outcomeOf(last4: string | undefined): CardOutcome {
  return Object.values(CARDS).find((known) => known.last4 === last4)?.outcome ?? ACCEPT
}

/** The error of a declined card, as the answer and the intent carry it. */
export function cardError({ code, declineCode, message }: Decline, method: Stripe.PaymentMethod) {
  return {
    type: "card_error" as const,
    code,
    ...(declineCode && { decline_code: declineCode }),
    doc_url: docUrl(code),
    message,
    payment_method: structuredClone(method),
  }
}
