import type Stripe from "stripe"
import type { Account } from "../account.js"
import { refused } from "../errors.js"
import { newId } from "../ids.js"
import { isCard } from "./charge-details.js"
import { noEvidence } from "./dispute-evidence.js"
import { changed, failRefund } from "./refund-flow.js"

type Dispute = Stripe.Dispute

export interface NewDispute {
  /** "fraudulent" unless given; "general" for an inquiry. */
  reason?: string
  /** In minor units; the whole charge unless given. */
  amount?: number
  /** Only asks: no money is withdrawn, unless it is escalated. */
  inquiry?: boolean
}

/** How the bank decides; an inquiry that comes to nothing is "warning_closed". */
export type DisputeEnd = "lost" | "warning_closed" | "won"

const TEN_DAYS = 10 * 24 * 60 * 60

/** The buyer's bank takes the money back, or asks about the payment; the shop may answer. */
export function openDispute(account: Account, charge: Stripe.Charge, given: NewDispute = {}): Dispute {
  if (!charge.captured || charge.disputed) throw refused(`Charge ${charge.id} can't be disputed.`)
  charge.disputed = true
  failPendingRefunds(account, charge)
  const dispute = createDispute(account, charge, given)
  account.emit("charge.dispute.created", dispute)
  if (!given.inquiry) account.emit("charge.dispute.funds_withdrawn", dispute)
  // A debit's dispute can't be challenged: Stripe closes it as it comes (docs.stripe.com/payments/sepa-debit).
  if (dispute.status === "lost") account.emit("charge.dispute.closed", dispute)
  return dispute
}

/** "A customer disputed the charge while the refund is pending", says docs.stripe.com/refunds of this failure. */
function failPendingRefunds(account: Account, charge: Stripe.Charge): void {
  for (const refund of account.store.refunds) {
    if (refund.charge !== charge.id || refund.status !== "pending") continue
    failRefund(account, refund, "charge_for_pending_refund_disputed")
  }
}

function createDispute(account: Account, charge: Stripe.Charge, given: NewDispute): Dispute {
  const { inquiry = false, reason = inquiry ? "general" : "fraudulent" } = given
  const card = isCard({ type: charge.payment_method_details?.type ?? "card" })
  return account.store.disputes.add({
    id: newId("du"),
    object: "dispute",
    amount: given.amount ?? charge.amount_captured,
    balance_transactions: [],
    charge: charge.id,
    created: account.now(),
    currency: charge.currency,
    enhanced_eligibility_types: [],
    evidence: noEvidence(),
    evidence_details: {
      due_by: account.now() + TEN_DAYS,
      enhanced_eligibility: {},
      has_evidence: false,
      past_due: false,
      submission_count: 0,
      submission_method: "not_submitted",
    },
    intended_submission_method: null,
    is_charge_refundable: inquiry,
    livemode: false,
    metadata: {},
    payment_intent: charge.payment_intent,
    ...(card && { payment_method_details: cardDetails(charge, inquiry) }),
    reason,
    status: inquiry ? "warning_needs_response" : card ? "needs_response" : "lost",
  })
}

function cardDetails(charge: Stripe.Charge, inquiry: boolean): Dispute["payment_method_details"] {
  const brand = charge.payment_method_details?.card?.brand ?? "unknown"
  const case_type = inquiry ? "inquiry" : "chargeback"
  return { type: "card", card: { brand, case_type, network: brand, network_reason_code: null } }
}

/** The bank decides; a dispute that the shop wins gives the money back to it, also long after it was lost. */
export function closeDispute(account: Account, dispute: Dispute, status: DisputeEnd): void {
  const inquiry = isInquiry(dispute)
  const late = dispute.status === "lost" && status === "won"
  if (isClosed(dispute) && !late) throw refused(`Dispute ${dispute.id} is already closed.`)
  if (inquiry !== (status === "warning_closed")) {
    throw refused(`Dispute ${dispute.id} is ${dispute.status} and can't become ${status}.`)
  }
  dispute.status = status
  dispute.is_charge_refundable = status !== "lost"
  account.emit("charge.dispute.closed", dispute)
  if (status === "won") account.emit("charge.dispute.funds_reinstated", dispute)
}

/** The bank reads the shop's evidence. */
export function reviewDispute(account: Account, dispute: Dispute): void {
  changeDispute(account, dispute, () => {
    dispute.status = isInquiry(dispute) ? "warning_under_review" : "under_review"
  })
}

/** An inquiry becomes a dispute, and now the money is withdrawn. That it keeps its id is not published. */
export function escalateDispute(account: Account, dispute: Dispute): void {
  if (!isInquiry(dispute)) throw refused(`Dispute ${dispute.id} is no inquiry.`)
  changeDispute(account, dispute, () => {
    dispute.status = "needs_response"
    dispute.is_charge_refundable = false
    const card = dispute.payment_method_details?.card
    if (card) card.case_type = "chargeback"
  })
  account.emit("charge.dispute.funds_withdrawn", dispute)
}

export function isInquiry({ status }: Dispute): boolean {
  return status.startsWith("warning_")
}

function isClosed({ status }: Dispute): boolean {
  return ["lost", "warning_closed", "won"].includes(status)
}

export function changeDispute(account: Account, dispute: Dispute, work: () => void): void {
  if (isClosed(dispute)) throw refused(`Dispute ${dispute.id} is already closed.`)
  const before = structuredClone(dispute)
  work()
  account.emit("charge.dispute.updated", dispute, changed(before, dispute))
}

/** Whether a dispute keeps the shop from refunding this charge. */
export function barsRefunds(account: Account, charge: Stripe.Charge): boolean {
  if (!charge.disputed) return false
  return [...account.store.disputes].some((of) => of.charge === charge.id && !of.is_charge_refundable)
}
