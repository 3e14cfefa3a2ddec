import type Stripe from "stripe"

/** The evidence that is text, or the id of a file. */
export const TEXTS = [
  "access_activity_log",
  "billing_address",
  "cancellation_policy",
  "cancellation_policy_disclosure",
  "cancellation_rebuttal",
  "customer_communication",
  "customer_email_address",
  "customer_name",
  "customer_purchase_ip",
  "customer_signature",
  "duplicate_charge_documentation",
  "duplicate_charge_explanation",
  "duplicate_charge_id",
  "product_description",
  "receipt",
  "refund_policy",
  "refund_policy_disclosure",
  "refund_refusal_explanation",
  "service_date",
  "service_documentation",
  "shipping_address",
  "shipping_carrier",
  "shipping_date",
  "shipping_documentation",
  "shipping_tracking_number",
  "uncategorized_file",
  "uncategorized_text",
] as const

export type EvidenceText = (typeof TEXTS)[number]

export function noEvidence(): Stripe.Dispute.Evidence {
  const empty = Object.fromEntries(TEXTS.map((name) => [name, null])) as Record<EvidenceText, null>
  return { ...empty, enhanced_evidence: {} }
}
