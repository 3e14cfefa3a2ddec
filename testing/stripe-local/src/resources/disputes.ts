import type Stripe from "stripe"
import type { Account } from "../account.js"
import type { Api } from "../api.js"
import { refused } from "../errors.js"
import { newId } from "../ids.js"
import { created, page, paging } from "../pages.js"
import { text } from "../params.js"
import { failRefund } from "./refund-flow.js"

export interface NewDispute {
  /** "fraudulent" unless given. */
  reason?: string
  /** In minor units; the whole charge unless given. */
  amount?: number
}

const TEN_DAYS = 10 * 24 * 60 * 60

/** The buyer's bank takes the money back; the shop may answer. */
export function openDispute(account: Account, charge: Stripe.Charge, given: NewDispute = {}): Stripe.Dispute {
  if (!charge.captured || charge.disputed) throw refused(`Charge ${charge.id} can't be disputed.`)
  charge.disputed = true
  const dispute = account.store.disputes.add({
    id: newId("du"),
    object: "dispute",
    amount: given.amount ?? charge.amount_captured,
    balance_transactions: [],
    charge: charge.id,
    created: account.now(),
    currency: charge.currency,
    enhanced_eligibility_types: [],
    // Holdfast reads no evidence, and its thirty fields would all be null.
    evidence: {} as Stripe.Dispute.Evidence,
    evidence_details: {
      due_by: account.now() + TEN_DAYS,
      enhanced_eligibility: {},
      has_evidence: false,
      past_due: false,
      submission_count: 0,
      submission_method: null,
    } as unknown as Stripe.Dispute.EvidenceDetails,
    intended_submission_method: null,
    is_charge_refundable: false,
    livemode: false,
    metadata: {},
    payment_intent: charge.payment_intent,
    payment_method_details: cardDetails(charge),
    reason: given.reason ?? "fraudulent",
    status: "needs_response",
  })
  // "A customer disputed the charge while the refund is pending", says Stripe of this failure.
  for (const refund of account.store.refunds) {
    if (refund.charge !== charge.id || refund.status !== "pending") continue
    failRefund(account, refund, "charge_for_pending_refund_disputed")
  }
  account.emit("charge.dispute.created", dispute)
  account.emit("charge.dispute.funds_withdrawn", dispute)
  return dispute
}

function cardDetails(charge: Stripe.Charge): Stripe.Dispute.PaymentMethodDetails {
  const brand = charge.payment_method_details?.card?.brand ?? "unknown"
  return { type: "card", card: { brand, case_type: "chargeback", network: brand, network_reason_code: null } }
}

/** The bank decides; a dispute that the shop wins gives the money back to it. */
export function closeDispute(account: Account, dispute: Stripe.Dispute, status: "won" | "lost"): void {
  if (["won", "lost"].includes(dispute.status)) throw refused(`Dispute ${dispute.id} is already closed.`)
  dispute.status = status
  account.emit("charge.dispute.closed", dispute)
  if (status === "won") account.emit("charge.dispute.funds_reinstated", dispute)
}

export function disputes(api: Api, account: Account): void {
  const { disputes } = account.store

  api.get("/v1/disputes/:id", {}, (_, id) => disputes.need(id, "dispute"))

  const query = { ...paging, created, charge: text, payment_intent: text }
  api.get("/v1/disputes", query, (query) =>
    page(
      disputes,
      "/v1/disputes",
      query,
      (dispute) =>
        query.created(dispute.created) &&
        (!query.charge || dispute.charge === query.charge) &&
        (!query.payment_intent || dispute.payment_intent === query.payment_intent),
    ),
  )
}
