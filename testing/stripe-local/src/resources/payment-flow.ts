import type Stripe from "stripe"
import type { Account } from "../account.js"
import { ApiError, docUrl, refused, unexpectedState } from "../errors.js"
import { random } from "../ids.js"
import { mergeMetadata } from "../params.js"
import { createCharge } from "./charges.js"
import { openDispute } from "./disputes.js"
import { attach } from "./payment-methods.js"
import { recordRefund } from "./refunds.js"
import { cardError, type Decline, outcomeOf } from "./test-cards.js"

type Intent = Stripe.PaymentIntent

const CANCELABLE = ["requires_payment_method", "requires_capture", "requires_confirmation", "requires_action"]
const CONFIRMABLE = ["requires_payment_method", "requires_confirmation", "requires_action"]

/** Pays: throws 402 where the card is declined, and leaves behind what Stripe leaves (a failed charge, an event). */
export function confirm(account: Account, intent: Intent, method: Stripe.PaymentMethod | undefined): void {
  if (!CONFIRMABLE.includes(intent.status)) throw notConfirmable(intent)
  if (!method) {
    throw unexpectedState(
      "You cannot confirm this PaymentIntent because it's missing a payment method. You can either update the PaymentIntent with a payment method and then confirm it again, or confirm it again directly with a payment method or ConfirmationToken.",
      intent,
    )
  }
  intent.payment_method = method.id
  intent.last_payment_error = null
  const outcome = outcomeOf(method.card?.last4)
  if (outcome.kind === "decline") throw decline(account, intent, method, outcome)
  if (outcome.kind === "authenticate") askForAuthentication(account, intent)
  else accept(account, intent, method)
}

/** The buyer passed the bank's check (3-D Secure), or failed it. */
export function authenticate(account: Account, intent: Intent, passed: boolean): void {
  const method = account.store.payment_methods.get(String(intent.payment_method))
  if (intent.status !== "requires_action" || !method) throw notConfirmable(intent)
  intent.next_action = null
  if (passed) accept(account, intent, method)
  else failAuthentication(account, intent, method)
}

function failAuthentication(account: Account, intent: Intent, method: Stripe.PaymentMethod): void {
  intent.status = "requires_payment_method"
  intent.payment_method = null
  intent.last_payment_error = {
    type: "invalid_request_error",
    code: "payment_intent_authentication_failure",
    doc_url: docUrl("payment_intent_authentication_failure"),
    message:
      "The provided PaymentMethod has failed authentication. You can provide payment_method_data or a new PaymentMethod to attempt to fulfill this PaymentIntent again.",
    payment_method: structuredClone(method),
  }
  account.emit("payment_intent.payment_failed", intent)
}

/** Captures `amount` (default: all) of an authorisation; the rest is released to the buyer. */
export function capture(
  account: Account,
  intent: Intent,
  amount = intent.amount_capturable,
  metadata?: Stripe.Metadata | null,
): void {
  if (intent.status === "succeeded") {
    throw unexpectedState(
      "This PaymentIntent could not be captured because it has already been captured.",
      intent,
    )
  }
  if (intent.status !== "requires_capture") {
    throw unexpectedState(
      `This PaymentIntent could not be captured because it has a status of ${intent.status}. Only a PaymentIntent with one of the following statuses may be captured: requires_capture.`,
      intent,
    )
  }
  if (amount > intent.amount_capturable) {
    throw refused(
      "The payment could not be captured because the requested capture amount is greater than the amount you can capture for this charge.",
      { code: "amount_too_large", param: "amount_to_capture", payment_intent: structuredClone(intent) },
    )
  }
  intent.metadata = mergeMetadata(intent.metadata, metadata)
  const charge = chargeOf(account, intent)
  charge.captured = true
  charge.amount_captured = amount
  if (amount < charge.amount) recordRefund(account, charge, { amount: charge.amount - amount })
  account.emit("charge.captured", charge)
  succeed(account, intent, amount)
}

/** Cancels a payment intent that has captured nothing; its authorisation is released to the buyer. */
export function cancel(
  account: Account,
  intent: Intent,
  reason: Stripe.PaymentIntent.CancellationReason | null,
): void {
  if (!CANCELABLE.includes(intent.status)) {
    throw unexpectedState(
      `You cannot cancel this PaymentIntent because it has a status of ${intent.status}. Only a PaymentIntent with one of the following statuses may be canceled: ${CANCELABLE.join(", ")}, processing.`,
      intent,
    )
  }
  const authorised = intent.status === "requires_capture"
  intent.status = "canceled"
  intent.canceled_at = account.now()
  intent.cancellation_reason = reason
  intent.amount_capturable = 0
  intent.next_action = null
  account.emit("payment_intent.canceled", intent)
  if (authorised) giveBack(account, chargeOf(account, intent))
}

/** Stripe reports a released authorisation as a refund of a charge that was never captured. */
function giveBack(account: Account, charge: Stripe.Charge): void {
  recordRefund(account, charge, { amount: charge.amount })
  account.emit("charge.refunded", charge)
}

function accept(account: Account, intent: Intent, method: Stripe.PaymentMethod): void {
  const manual = intent.capture_method === "manual"
  const charge = createCharge(account, intent, method, { captured: !manual })
  intent.latest_charge = charge.id
  intent.next_action = null
  if (intent.setup_future_usage && intent.customer) attach(account, method, String(intent.customer))
  account.emit("charge.succeeded", charge)
  if (manual) {
    intent.status = "requires_capture"
    intent.amount_capturable = intent.amount
    account.emit("payment_intent.amount_capturable_updated", intent)
  } else {
    succeed(account, intent, intent.amount)
  }
}

function succeed(account: Account, intent: Intent, amount: number): void {
  intent.status = "succeeded"
  intent.amount_capturable = 0
  intent.amount_received = amount
  account.emit("payment_intent.succeeded", intent)
  const method = account.store.payment_methods.get(String(intent.payment_method))
  const disputed = outcomeOf(method?.card?.last4).kind === "dispute"
  if (disputed) openDispute(account, chargeOf(account, intent))
}

function decline(account: Account, intent: Intent, method: Stripe.PaymentMethod, why: Decline): ApiError {
  const charge = createCharge(account, intent, method, { captured: false, failure: why })
  const error = { ...cardError(why, method), charge: charge.id }
  intent.latest_charge = charge.id
  intent.status = "requires_payment_method"
  intent.payment_method = null
  intent.last_payment_error = error
  account.emit("charge.failed", charge)
  account.emit("payment_intent.payment_failed", intent)
  return new ApiError(402, { ...error, payment_intent: structuredClone(intent) })
}

function askForAuthentication(account: Account, intent: Intent): void {
  intent.status = "requires_action"
  intent.next_action = {
    type: "redirect_to_url",
    redirect_to_url: { return_url: null, url: `https://hooks.stripe.com/redirect/${random(24)}` },
  }
  account.emit("payment_intent.requires_action", intent)
}

function notConfirmable(intent: Intent): ApiError {
  const why =
    intent.status === "succeeded"
      ? "You cannot confirm this PaymentIntent because it has already succeeded after being previously confirmed."
      : `You cannot confirm this PaymentIntent because it has a status of ${intent.status}. Only a PaymentIntent with one of the following statuses may be confirmed: ${CONFIRMABLE.join(", ")}.`
  return unexpectedState(why, intent)
}

function chargeOf(account: Account, intent: Intent): Stripe.Charge {
  const charge = account.store.charges.get(String(intent.latest_charge))
  if (!charge) throw new Error(`${intent.id} has no charge`)
  return charge
}
