import type Stripe from "stripe"
import type { Account } from "../account.js"
import { refused, unexpectedState } from "../errors.js"
import { mergeMetadata } from "../params.js"
import { chargeOf, methodOf, succeed } from "./payment-outcomes.js"
import { recordRefund } from "./refund-flow.js"
import { giveUp } from "./slow-payments.js"

type Intent = Stripe.PaymentIntent

const CANCELABLE = ["requires_payment_method", "requires_capture", "requires_confirmation", "requires_action"]

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

/** Cancels a payment intent that has taken no money; its authorisation is released to the buyer. */
export function cancel(
  account: Account,
  intent: Intent,
  reason: Stripe.PaymentIntent.CancellationReason | null,
): void {
  const { status } = intent
  if (!CANCELABLE.includes(status) && !isCancelableDebit(account, intent)) {
    throw unexpectedState(
      `You cannot cancel this PaymentIntent because it has a status of ${status}. Only a PaymentIntent with one of the following statuses may be canceled: ${CANCELABLE.join(", ")}, processing.`,
      intent,
    )
  }
  intent.status = "canceled"
  intent.canceled_at = account.now()
  intent.cancellation_reason = reason
  intent.amount_capturable = 0
  intent.next_action = null
  account.emit("payment_intent.canceled", intent)
  if (status === "requires_capture") release(account, chargeOf(account, intent))
  else giveUp(account, intent)
}

/** docs.stripe.com/refunds: "processing (only when the associated payment method is US Bank Account)". */
function isCancelableDebit(account: Account, intent: Intent): boolean {
  return intent.status === "processing" && methodOf(account, intent)?.type === "us_bank_account"
}

/** Stripe reports a released authorisation as a refund of a charge that was never captured. */
function release(account: Account, charge: Stripe.Charge): void {
  recordRefund(account, charge, { amount: charge.amount })
  account.emit("charge.refunded", charge)
}
