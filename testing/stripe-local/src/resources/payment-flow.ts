import type Stripe from "stripe"
import type { Account } from "../account.js"
import { ApiError, docUrl, refused, unexpectedState } from "../errors.js"
import { random } from "../ids.js"
import { createCharge } from "./charges.js"
import { attach } from "./payment-methods.js"
import { failAttempt, methodOf, succeed } from "./payment-outcomes.js"
import { shareOut } from "./shares.js"
import { beginSlowPayment, isSlow } from "./slow-payments.js"
import { cardError, type Decline, outcomeOf } from "./test-cards.js"

type Intent = Stripe.PaymentIntent

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
  refuseOtherType(intent, method)
  intent.payment_method = method.id
  intent.last_payment_error = null
  if (isSlow(method)) beginSlowPayment(account, intent, method)
  else payByCard(account, intent, method)
}

function payByCard(account: Account, intent: Intent, method: Stripe.PaymentMethod): void {
  const outcome = outcomeOf(method.card?.last4)
  if (outcome.kind === "decline") throw decline(account, intent, method, outcome)
  if (outcome.kind === "authenticate") askForAuthentication(account, intent)
  else accept(account, intent, method)
}

function refuseOtherType(intent: Intent, { type }: Stripe.PaymentMethod): void {
  const { allowed_payment_method_types, automatic_payment_methods, payment_method_types } = intent
  const allowed = allowed_payment_method_types ?? (automatic_payment_methods ? [type] : payment_method_types)
  if (allowed.includes(type)) return
  throw refused(
    `The PaymentMethod provided (${type}) is not allowed for this PaymentIntent. Please attach a PaymentMethod with one of the following types: ${allowed.join(", ")}.`,
    { code: "payment_intent_invalid_parameter", param: "payment_method" },
  )
}

/** The buyer passed the bank's check (3-D Secure), or failed it. */
export function authenticate(account: Account, intent: Intent, passed: boolean): void {
  const method = methodOf(account, intent)
  if (intent.next_action?.type !== "redirect_to_url" || !method) throw notConfirmable(intent)
  intent.next_action = null
  if (passed) accept(account, intent, method)
  else failAuthentication(account, intent, method)
}

function failAuthentication(account: Account, intent: Intent, method: Stripe.PaymentMethod): void {
  failAttempt(account, intent, {
    type: "invalid_request_error",
    code: "payment_intent_authentication_failure",
    doc_url: docUrl("payment_intent_authentication_failure"),
    message:
      "The provided PaymentMethod has failed authentication. You can provide payment_method_data or a new PaymentMethod to attempt to fulfill this PaymentIntent again.",
    payment_method: structuredClone(method),
  })
}

function accept(account: Account, intent: Intent, method: Stripe.PaymentMethod): void {
  const manual = intent.capture_method === "manual"
  const charge = createCharge(account, intent, method, { captured: !manual })
  intent.latest_charge = charge.id
  intent.next_action = null
  if (intent.setup_future_usage && intent.customer) attach(account, method, String(intent.customer))
  if (!manual) shareOut(account, intent, charge)
  account.emit("charge.succeeded", charge)
  if (manual) {
    intent.status = "requires_capture"
    intent.amount_capturable = intent.amount
    account.emit("payment_intent.amount_capturable_updated", intent)
  } else {
    succeed(account, intent, intent.amount)
  }
}

function decline(account: Account, intent: Intent, method: Stripe.PaymentMethod, why: Decline): ApiError {
  const charge = createCharge(account, intent, method, { captured: false, failure: why })
  const error = { ...cardError(why, method), charge: charge.id }
  intent.latest_charge = charge.id
  account.emit("charge.failed", charge)
  failAttempt(account, intent, error)
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
