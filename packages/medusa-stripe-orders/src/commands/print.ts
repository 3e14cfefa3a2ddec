import { formatMinorUnits } from "../order-draft/amounts"
import type { TimelineLine } from "../payments/payments"
import type { PaymentView } from "../payments/search"
import type { ReconcileReport } from "../reconcile/reconcile"

/** One line of a payment: what a person looks for first. */
export function paymentLine({ id, status, amount, currency, email, order_id, reason }: PaymentView): string {
  const money = amount != null && currency ? formatMinorUnits(amount, currency) : "-"
  const words = [id, status, money, email ?? "-", order_id ?? "-", reason ?? ""]
  return words.join("  ").trimEnd()
}

/** A payment with its timeline. */
export function paymentPage(payment: PaymentView, timeline: TimelineLine[]): string {
  const { says, attempts, last_error } = payment
  const lines = timeline.map(({ at, actor, status, text, data }) => {
    const ids = data ? `  ${JSON.stringify(data)}` : ""
    return `  ${new Date(at).toISOString()}  ${status}  ${text}  (${actor})${ids}`
  })
  const failed = attempts > 0 ? [`  failed ${attempts} times in a row: ${last_error}`] : []
  return [paymentLine(payment), `  ${says}`, ...failed, ...lines].join("\n")
}

export function reportPage({ since, until, listed, by_status, findings }: ReconcileReport): string {
  const statuses = Object.entries(by_status).map(([status, count]) => `  ${count}  ${status}`)
  const found = findings.map(
    ({ payment_intent_id, text, taken_up }) =>
      `  ${payment_intent_id}  ${text}${taken_up ? "" : "  (not taken up: a person has to look)"}`,
  )
  return [
    `Stripe has ${listed} payments of ${since.toISOString()} to ${until.toISOString()}. Here they were:`,
    ...statuses,
    findings.length === 0 ? "Stripe and the store agree." : `${findings.length} findings:`,
    ...found,
  ].join("\n")
}
