import type Stripe from "stripe"
import type { Account } from "../account.js"
import { openDispute } from "./dispute-flow.js"
import { debitOutcome } from "./test-accounts.js"
import { outcomeOf } from "./test-cards.js"

type Intent = Stripe.PaymentIntent
type PaymentError = NonNullable<Intent["last_payment_error"]>

export function chargeOf(account: Account, intent: Intent): Stripe.Charge {
  const charge = account.store.charges.get(String(intent.latest_charge))
  if (!charge) throw new Error(`${intent.id} has no charge`)
  return charge
}

export function methodOf(account: Account, intent: Intent): Stripe.PaymentMethod | undefined {
  return account.store.payment_methods.get(String(intent.payment_method))
}

/** `amount` is the shop's. A payment method made for it is then disputed. */
export function succeed(account: Account, intent: Intent, amount: number): void {
  intent.status = "succeeded"
  intent.amount_capturable = 0
  intent.amount_received = amount
  account.emit("payment_intent.succeeded", intent)
  const method = methodOf(account, intent)
  if (!method) return
  const outcome = method.card ? outcomeOf(method.card.last4) : debitOutcome(method)
  if (outcome.kind === "dispute") openDispute(account, chargeOf(account, intent), outcome)
}

/** The attempt is over; the payment intent waits for another payment method. */
export function failAttempt(account: Account, intent: Intent, error: PaymentError): void {
  intent.status = "requires_payment_method"
  intent.payment_method = null
  intent.next_action = null
  intent.last_payment_error = error
  account.emit("payment_intent.payment_failed", intent)
}
