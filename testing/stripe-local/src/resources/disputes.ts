import type Stripe from "stripe"
import type { Account } from "../account.js"
import type { Api } from "../api.js"
import { created, page, paging } from "../pages.js"
import { boolean, mergeMetadata, metadata, nested, oneOf, text } from "../params.js"
import { type EvidenceText, TEXTS } from "./dispute-evidence.js"
import { changeDispute, closeDispute, escalateDispute, isInquiry } from "./dispute-flow.js"

type Dispute = Stripe.Dispute
type GivenEvidence = Partial<Record<EvidenceText, string | null>>

/** The shop answers. Evidence is final once it is submitted, which it is unless the shop says otherwise. */
function submit(account: Account, dispute: Dispute, evidence: GivenEvidence, final: boolean): void {
  changeDispute(account, dispute, () => {
    for (const [name, value] of Object.entries(evidence)) {
      if (value !== undefined) dispute.evidence[name as EvidenceText] = value
    }
    dispute.evidence_details.has_evidence = TEXTS.some((name) => dispute.evidence[name] !== null)
    if (!final) return
    dispute.evidence_details.submission_count += 1
    dispute.evidence_details.submission_method = "manual"
    dispute.status = isInquiry(dispute) ? "warning_under_review" : "under_review"
  })
  if (final) decideTestEvidence(account, dispute)
}

/** docs.stripe.com/testing, "Evidence": these texts decide a dispute of a test. */
function decideTestEvidence(account: Account, dispute: Dispute): void {
  const text = dispute.evidence.uncategorized_text
  const inquiry = isInquiry(dispute)
  if (text === "winning_evidence") closeDispute(account, dispute, inquiry ? "warning_closed" : "won")
  if (text === "losing_evidence") closeDispute(account, dispute, inquiry ? "warning_closed" : "lost")
  if (text === "escalate_inquiry_evidence" && inquiry) escalateDispute(account, dispute)
}

export function disputes(api: Api, account: Account): void {
  const { disputes } = account.store

  const find = (id: string) => disputes.need(id, "dispute")

  api.get("/v1/disputes/:id", {}, (_, id) => find(id))

  const evidence = nested(Object.fromEntries(TEXTS.map((name) => [name, text])))
  const changes = {
    evidence,
    intended_submission_method: oneOf("manual", "prefer_manual"),
    metadata,
    submit: boolean,
  }
  api.post("/v1/disputes/:id", changes, (given, id) => {
    const dispute = find(id)
    dispute.metadata = mergeMetadata(dispute.metadata, given.metadata)
    submit(account, dispute, given.evidence ?? {}, given.submit ?? Boolean(given.evidence))
    return dispute
  })

  api.post("/v1/disputes/:id/close", {}, (_, id) => {
    const dispute = find(id)
    closeDispute(account, dispute, isInquiry(dispute) ? "warning_closed" : "lost")
    return dispute
  })

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
