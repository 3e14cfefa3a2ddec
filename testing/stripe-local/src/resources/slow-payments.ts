import type Stripe from "stripe"
import type { Account } from "../account.js"
import { docUrl, refused, unexpectedState } from "../errors.js"
import { newId, random } from "../ids.js"
import { createCharge } from "./charges.js"
import { chargeOf, failAttempt, methodOf, succeed } from "./payment-outcomes.js"
import { shareOut } from "./shares.js"
import { debitOutcome, type PaymentFailure } from "./test-accounts.js"

type Intent = Stripe.PaymentIntent
type Method = Stripe.PaymentMethod

const DAY = 24 * 60 * 60
const VOUCHERS = ["boleto", "oxxo"]
const CURRENCIES: Record<string, string> = {
  sepa_debit: "eur",
  us_bank_account: "usd",
  boleto: "brl",
  oxxo: "mxn",
}

/** A payment whose bank answers days later: a debit is under way at once, a voucher once the buyer has paid it. */
export function isSlow({ type }: Method): boolean {
  return type in CURRENCIES
}

export function beginSlowPayment(account: Account, intent: Intent, method: Method): void {
  refuseMismatch(intent, method)
  intent.latest_charge = createCharge(account, intent, method, { captured: true, pending: true }).id
  account.emit("charge.pending", chargeOf(account, intent))
  if (VOUCHERS.includes(method.type)) issueVoucher(account, intent, method)
  else process(account, intent)
}

// Stripe's wording of these two refusals is not known to us.
function refuseMismatch(intent: Intent, { type }: Method): void {
  const currency = CURRENCIES[type]
  if (intent.currency !== currency) {
    throw refused(`The payment method type ${type} takes ${currency} only, not ${intent.currency}.`, {
      code: "payment_method_currency_mismatch",
      payment_intent: structuredClone(intent),
    })
  }
  if (intent.capture_method === "manual") {
    throw refused(`The payment method type ${type} does not support manual capture.`, {
      code: "payment_intent_invalid_parameter",
      payment_intent: structuredClone(intent),
    })
  }
}

function process(account: Account, intent: Intent): void {
  intent.status = "processing"
  intent.next_action = null
  account.emit("payment_intent.processing", intent)
}

function issueVoucher(account: Account, intent: Intent, { type }: Method): void {
  const hosted_voucher_url = `https://payments.stripe.com/${type}/voucher/${random(24)}`
  const number = String(account.now()).padStart(16, "0")
  const expiry = account.now() + 3 * DAY
  intent.next_action =
    type === "oxxo"
      ? {
          type: "oxxo_display_details",
          oxxo_display_details: { expires_after: expiry, hosted_voucher_url, number },
        }
      : {
          type: "boleto_display_details",
          boleto_display_details: {
            expires_at: expiry,
            hosted_voucher_url,
            number,
            pdf: `${hosted_voucher_url}/pdf`,
          },
        }
  intent.status = "requires_action"
  account.emit("payment_intent.requires_action", intent)
}

/** The buyer has paid a voucher in a shop or a bank; the money is on its way. */
export function payVoucher(account: Account, intent: Intent): void {
  if (!awaitsVoucher(account, intent)) throw unexpectedState(`${intent.id} has no unpaid voucher.`, intent)
  process(account, intent)
}

function awaitsVoucher(account: Account, intent: Intent): boolean {
  const method = methodOf(account, intent)
  return intent.status === "requires_action" && VOUCHERS.includes(method?.type ?? "")
}

/** The bank answers as its test account is made to: pays, fails, pays and disputes, or doesn't answer. */
export function settle(account: Account, intent: Intent): void {
  const outcome = debitOutcome(pendingMethod(account, intent))
  if (outcome.kind === "hang") return
  if (outcome.kind === "fail") failSlowPayment(account, intent, outcome.failure)
  else pay(account, intent)
}

function pay(account: Account, intent: Intent): void {
  const charge = chargeOf(account, intent)
  Object.assign(charge, { status: "succeeded", paid: true, balance_transaction: newId("txn") })
  intent.next_action = null
  shareOut(account, intent, charge)
  account.emit("charge.succeeded", charge)
  succeed(account, intent, intent.amount)
  tellSession(account, intent, "checkout.session.async_payment_succeeded")
}

const EXPIRED = {
  code: "payment_intent_payment_attempt_expired",
  message: "The latest payment attempt for the PaymentIntent has expired.",
}

/** The bank refuses, or a voucher was not paid in time. Without `failure` it is the lack of money, or of payment. */
export function failSlowPayment(account: Account, intent: Intent, failure?: PaymentFailure): void {
  const method = pendingMethod(account, intent)
  const why = failure ?? (awaitsVoucher(account, intent) ? EXPIRED : NO_FUNDS)
  failCharge(account, intent, why)
  failAttempt(account, intent, {
    type: "invalid_request_error",
    charge: String(intent.latest_charge),
    code: why.code,
    doc_url: docUrl(why.code),
    message: why.message,
    payment_method: structuredClone(method),
  })
  tellSession(account, intent, "checkout.session.async_payment_failed")
}

const NO_FUNDS = { code: "insufficient_funds", message: "The customer's account has insufficient funds." }

/** A cancelled payment intent takes its pending charge with it. Stripe doesn't publish which event tells so. */
export function giveUp(account: Account, intent: Intent): void {
  const charge = account.store.charges.get(String(intent.latest_charge))
  if (charge?.status !== "pending") return
  failCharge(account, intent, { code: "payment_intent_canceled", message: "The payment was canceled." })
}

function failCharge(account: Account, intent: Intent, { code, message }: PaymentFailure): void {
  const charge = chargeOf(account, intent)
  charge.status = "failed"
  charge.captured = false
  charge.amount_captured = 0
  charge.failure_code = code
  charge.failure_message = message
  account.emit("charge.failed", charge)
}

function pendingMethod(account: Account, intent: Intent): Method {
  const method = methodOf(account, intent)
  const waits = intent.status === "processing" || awaitsVoucher(account, intent)
  if (!waits || !method) throw unexpectedState(`${intent.id} is not waiting for a bank.`, intent)
  return method
}

type AsyncType = "checkout.session.async_payment_failed" | "checkout.session.async_payment_succeeded"

/** The checkout session that made the payment hears of its end by an event of its own. */
function tellSession(account: Account, intent: Intent, type: AsyncType): void {
  for (const session of account.store.checkout_sessions) {
    if (session.payment_intent !== intent.id || session.status !== "complete") continue
    if (type === "checkout.session.async_payment_succeeded") session.payment_status = "paid"
    account.emit(type, session)
  }
}
