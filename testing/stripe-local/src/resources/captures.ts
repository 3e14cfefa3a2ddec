import type Stripe from "stripe"
import type { Account } from "../account.js"
import { refused, unexpectedState } from "../errors.js"
import { newId } from "../ids.js"
import { mergeMetadata } from "../params.js"
import { chargeOf, methodOf, succeed } from "./payment-outcomes.js"
import { recordRefund, releasesByRefund } from "./refund-flow.js"
import { shareOut } from "./shares.js"
import { giveUp } from "./slow-payments.js"

type Intent = Stripe.PaymentIntent

const CANCELABLE = ["requires_payment_method", "requires_capture", "requires_confirmation", "requires_action"]

export interface Capture {
  /** All that is left, unless given. */
  amount?: number
  /** `false` keeps the rest for a further capture; only where the card allows several. */
  final?: boolean
  metadata?: Stripe.Metadata | null
}

/**
 * Captures an authorisation, the last time unless told otherwise; the rest is then released to the buyer.
 *
 * Up to API version 2025-03-31.basil the released rest was a refund of the charge, and so in its `amount_refunded`:
 * "Stripe treats a partial capture as a Charge object with a partial Refund inside it" (woocommerce-gateway-stripe #861;
 * #1073 there shows a real one of 20675 authorised, 20300 received and 375 refunded). Which events told of that refund is
 * not published; here none does.
 */
export function capture(account: Account, intent: Intent, given: Capture = {}): void {
  const { amount = intent.amount_capturable, final = true, metadata } = given
  refuseCapture(account, intent, amount, final)
  intent.metadata = mergeMetadata(intent.metadata, metadata)
  const charge = chargeOf(account, intent)
  charge.captured = true
  charge.amount_captured += amount
  charge.balance_transaction ??= newId("txn")
  const rest = intent.amount_capturable - amount
  if (rest > 0 && !final) keepRest(account, intent, charge, rest)
  else finish(account, intent, charge, rest)
}

function finish(account: Account, intent: Intent, charge: Stripe.Charge, rest: number): void {
  if (rest > 0 && releasesByRefund(account)) recordRefund(account, charge, { amount: rest })
  shareOut(account, intent, charge)
  account.emit("charge.captured", charge)
  succeed(account, intent, charge.amount_captured)
}

function refuseCapture(account: Account, intent: Intent, amount: number, final: boolean): void {
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
  const several = chargeOf(account, intent).payment_method_details?.card?.multicapture?.status
  if (!final && several !== "available") {
    // Stripe's wording of this is not known to us.
    throw refused("This payment can be captured only once.", {
      param: "final_capture",
      payment_intent: structuredClone(intent),
    })
  }
}

/** Of several captures; the order of these events is not published. */
function keepRest(account: Account, intent: Intent, charge: Stripe.Charge, rest: number): void {
  intent.amount_capturable = rest
  intent.amount_received = charge.amount_captured
  account.emit("charge.captured", charge)
  account.emit("payment_intent.amount_capturable_updated", intent)
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
  end(account, intent, reason)
  if (status === "requires_capture") release(account, chargeOf(account, intent), "charge.refunded")
  else giveUp(account, intent)
}

/**
 * The authorisation was not captured in time. Before basil an expired payment had (in the documentation of Elastic Path,
 * "Capture a Transaction") `cancellation_reason: "automatic"`, and a refund by `expired_uncaptured_charge`.
 */
export function expireAuthorization(account: Account, intent: Intent): void {
  if (intent.status !== "requires_capture") {
    throw unexpectedState(`${intent.id} has no authorisation that could expire.`, intent)
  }
  const charge = chargeOf(account, intent)
  // What was captured before, stands.
  if (charge.captured) capture(account, intent, { amount: 0 })
  else {
    end(account, intent, releasesByRefund(account) ? "automatic" : "expired")
    release(account, charge, "charge.expired", "expired_uncaptured_charge")
  }
}

function end(account: Account, intent: Intent, reason: Intent["cancellation_reason"]): void {
  intent.status = "canceled"
  intent.canceled_at = account.now()
  intent.cancellation_reason = reason
  intent.amount_capturable = 0
  intent.next_action = null
  account.emit("payment_intent.canceled", intent)
}

/** docs.stripe.com/refunds: "processing (only when the associated payment method is US Bank Account)". */
function isCancelableDebit(account: Account, intent: Intent): boolean {
  return intent.status === "processing" && methodOf(account, intent)?.type === "us_bank_account"
}

/** Before basil, Stripe reported a released authorisation as a refund of a charge that was never captured. */
function release(
  account: Account,
  charge: Stripe.Charge,
  type: "charge.expired" | "charge.refunded",
  reason?: Stripe.Refund.Reason,
): void {
  const byRefund = releasesByRefund(account)
  if (byRefund) recordRefund(account, charge, { amount: charge.amount - charge.amount_captured, reason })
  if (byRefund || type === "charge.expired") account.emit(type, charge)
}
