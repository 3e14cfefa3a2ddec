import type Stripe from "stripe"
import type { Account } from "../account.js"
import { refused } from "../errors.js"
import { newId } from "../ids.js"
import { isCard } from "./charge-details.js"

type Refund = Stripe.Refund
type Status = "canceled" | "failed" | "pending" | "requires_action" | "succeeded"

export interface NewRefund {
  amount: number
  reason?: Stripe.Refund.Reason | null
  metadata?: Stripe.Metadata
  instructions_email?: string | null
  /** "succeeded" unless given. */
  status?: "pending" | "requires_action" | "succeeded"
}

/** docs.stripe.com/refunds, "Handle failed refunds". */
export type RefundFailure =
  | "charge_for_pending_refund_disputed"
  | "declined"
  | "expired_or_canceled_card"
  | "insufficient_funds"
  | "lost_or_stolen_card"
  | "merchant_request"
  | "unknown"

const EXPIRES_AFTER = 45 * 24 * 60 * 60

/**
 * Refunds `amount` of a charge. A refund counts from the start, so that no second one can spend the same money.
 */
export function recordRefund(account: Account, charge: Stripe.Charge, given: NewRefund): Refund {
  book(account, charge, given.amount)
  const status = given.status ?? "succeeded"
  const card = isCard({ type: charge.payment_method_details?.type ?? "card" })
  return account.store.refunds.add({
    id: newId(card ? "re" : "pyr"),
    object: "refund",
    amount: given.amount,
    balance_transaction: charge.captured && status === "succeeded" ? newId("txn") : null,
    charge: charge.id,
    created: account.now(),
    currency: charge.currency,
    customer: charge.customer,
    customer_account: null,
    ...(card && { destination_details: cardDestination(charge) }),
    ...(given.instructions_email && { instructions_email: given.instructions_email }),
    metadata: given.metadata ?? {},
    ...(status === "requires_action" && { next_action: bankDetailsWanted(account, charge, given) }),
    payment_intent: charge.payment_intent,
    payment_method: charge.payment_method,
    ...(status === "pending" && { pending_reason: "processing" as const }),
    reason: given.reason ?? null,
    receipt_number: null,
    source_transfer_reversal: null,
    status,
    transfer_reversal: null,
  })
}

/** https://docs.stripe.com/changelog/basil/2025-03-31/remove-refund-from-partial-capture-and-payment-cancellation-flow */
export const releasesByRefund = ({ apiVersion }: Account) => apiVersion < "2025-03-31"

/** What can be refunded of a charge in all; before basil, what was released of it counted in. */
export function refundableOf(account: Account, { amount, amount_captured, captured }: Stripe.Charge): number {
  return captured && !releasesByRefund(account) ? amount_captured : amount
}

function book(account: Account, charge: Stripe.Charge, amount: number): void {
  charge.amount_refunded += amount
  charge.refunded = charge.amount_refunded === refundableOf(account, charge)
}

/** An authorisation that was never captured is reversed, not paid back, and a reversal has no reference. */
function cardDestination({ captured }: Stripe.Charge): Stripe.Refund.DestinationDetails {
  if (!captured) return { card: { type: "reversal" }, type: "card" }
  const reference_type = "acquirer_reference_number"
  return { card: { reference_status: "pending", reference_type, type: "refund" }, type: "card" }
}

function bankDetailsWanted(
  account: Account,
  charge: Stripe.Charge,
  given: NewRefund,
): Stripe.Refund.NextAction {
  const email_sent_to = given.instructions_email ?? charge.billing_details.email ?? "buyer@example.com"
  const email_sent = { email_sent_at: account.now(), email_sent_to }
  const expires_at = account.now() + EXPIRES_AFTER
  return { type: "display_details", display_details: { email_sent, expires_at } }
}

/** The bank has the money: a refund that was waiting succeeds, and a card's gets the reference to trace it by. */
export function settleRefund(account: Account, refund: Refund): void {
  const before = snapshot(refund)
  move(refund, ["pending", "requires_action", "succeeded"], "succeeded")
  refund.balance_transaction ??= newId("txn")
  const card = refund.destination_details?.card
  if (card?.reference_type) Object.assign(card, { reference: newId("arn"), reference_status: "available" })
  update(account, refund, before)
}

/** The buyer has given the bank details that a refund in `requires_action` asks for. */
export function acceptBankDetails(account: Account, refund: Refund): void {
  const before = snapshot(refund)
  move(refund, ["requires_action"], "pending")
  refund.pending_reason = "processing"
  update(account, refund, before)
}

/** The bank sends the money back, and the buyer is asked for bank details (again). */
export function returnRefund(account: Account, refund: Refund): void {
  const before = snapshot(refund)
  move(refund, ["pending", "succeeded"], "requires_action")
  const charge = account.store.charges.need(String(refund.charge))
  refund.next_action = bankDetailsWanted(account, charge, { amount: refund.amount })
  update(account, refund, before)
}

/**
 * The refund fails, maybe after it had succeeded: the money is the shop's again. As measured on Stripe (August 2026),
 * `refund.failed` and `charge.refund.updated` tell so, and `refund.updated` does not.
 */
export function failRefund(account: Account, refund: Refund, reason: RefundFailure): void {
  const before = snapshot(refund)
  move(refund, ["pending", "requires_action", "succeeded"], "failed")
  takeBack(account, refund, reason)
  account.emit("refund.failed", refund)
  account.emit("charge.refund.updated", refund, changed(before, refund))
}

/** The shop calls the refund off. "As cancellations are a type of refund failure", it has a failure's attributes. */
export function cancelRefund(account: Account, refund: Refund): void {
  const before = snapshot(refund)
  move(refund, ["pending", "requires_action", "succeeded"], "canceled")
  takeBack(account, refund, "merchant_request")
  update(account, refund, before)
}

function takeBack(account: Account, refund: Refund, reason: RefundFailure): void {
  refund.failure_reason = reason
  // What never left the balance doesn't return to it.
  if (refund.balance_transaction) refund.failure_balance_transaction = newId("txn")
  book(account, account.store.charges.need(String(refund.charge)), -refund.amount)
}

function move(refund: Refund, from: Status[], to: Status): void {
  if (!from.includes(refund.status as Status)) {
    throw refused(`Refund ${refund.id} has a status of ${refund.status} and can't become ${to}.`)
  }
  refund.status = to
  delete refund.pending_reason
  delete refund.next_action
}

function update(account: Account, refund: Refund, before: Refund): void {
  account.emit("refund.updated", refund, changed(before, refund))
  account.emit("charge.refund.updated", refund, changed(before, refund))
}

function snapshot(refund: Refund): Refund {
  return structuredClone(refund)
}

/** The former values of what has changed, as an event's `previous_attributes` has them: `null` for what is new. */
export function changed<T extends object>(before: T, now: T): Partial<T> {
  const differs = (key: string) =>
    JSON.stringify(before[key as keyof T]) !== JSON.stringify(now[key as keyof T])
  const keys = Object.keys({ ...before, ...now }).filter(differs)
  return Object.fromEntries(keys.map((key) => [key, before[key as keyof T] ?? null])) as Partial<T>
}
