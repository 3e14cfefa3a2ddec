import type Stripe from "stripe"
import { accountsToRead } from "../accounts"
import { listPayments } from "../carry-out/stripe-calls"
import { readShownMoney } from "../medusa/shown-money"
import { oldestFirst, type Span } from "../oldest-first"
import { hashOfSecret, withoutSecret } from "../payments/client-secret"
import { intentFacts } from "../payments/facts"
import { type Database, readPayments } from "../payments/payments"
import { parseStorable } from "../payments/storable"
import { openFound, takeUp } from "../payments/take-up"
import type { Plugin } from "../plugin"
import { type Disagreement, disagreementOf, type KnownPayment } from "./findings"

/** One payment about which Stripe and the store did not agree. */
export interface Finding {
  payment_intent_id: string
  text: string
  /** whether the worker sets it right; its timeline tells how */
  taken_up: boolean
}

export interface ReconcileReport {
  since: Date
  until: Date
  /** how many payment intents Stripe has of the span */
  listed: number
  /** how these stood here; `unpaid`: not paid in Stripe, and without a row here */
  by_status: Record<string, number>
  findings: Finding[]
}

export interface Reconciling {
  db: Database
  plugin: Plugin
  /** who asks for it, for the timeline */
  person: string
  since: Date
  until: Date
  /** called after each part of the span */
  onProgress?: (soFar: ReconcileReport) => void
}

/**
 * Compares what Stripe has of a span with what became of it here. Afterwards each payment in Stripe has an order, a reason
 * or a finding; what the worker can set right is taken up.
 */
export async function reconcile(reconciling: Reconciling): Promise<ReconcileReport> {
  const { plugin, since, until, onProgress } = reconciling
  const report: ReconcileReport = { since, until, listed: 0, by_status: {}, findings: [] }
  const span = { gte: Math.floor(since.getTime() / 1000), lte: Math.floor(until.getTime() / 1000) }
  for (const account of accountsToRead(reconciling.plugin)) {
    const list = (created: Span, starting_after?: string) =>
      listPayments(plugin, { created, starting_after, limit: 100, expand: ["data.latest_charge"] }, account)
    for await (const intents of oldestFirst(list, span)) {
      await compare(reconciling, report, intents, account)
      onProgress?.(report)
    }
  }
  return report
}

type Compared = Disagreement & { intent: Stripe.PaymentIntent; known: KnownPayment | undefined }

async function compare(
  { db, person }: Reconciling,
  report: ReconcileReport,
  intents: Stripe.PaymentIntent[],
  account: string | undefined,
): Promise<void> {
  const known = await readKnown(db, intents)
  const compared = intents.flatMap((intent): Compared[] => {
    const disagreement = disagreementOf(intent, known.get(intent.id))
    return disagreement ? [{ ...disagreement, intent, known: known.get(intent.id) }] : []
  })
  const opened = await openFound(
    db,
    person,
    compared.flatMap(({ intent, known, text }) => (known ? [] : [found(intent, text, account)])),
  )
  const taken = await takeUp(
    db,
    person,
    compared.flatMap(({ intent, known, text, to }) =>
      known && to ? [{ id: intent.id, text: `Found by reconcile: ${text}`, from: known.status, to }] : [],
    ),
  )
  report.listed += intents.length
  for (const { id } of intents) {
    const status = known.get(id)?.status ?? (opened.has(id) ? "unknown" : "unpaid")
    report.by_status[status] = (report.by_status[status] ?? 0) + 1
  }
  for (const { intent, text } of compared) {
    const taken_up = opened.has(intent.id) || taken.has(intent.id)
    report.findings.push({ payment_intent_id: intent.id, text, taken_up })
  }
}

async function readKnown(db: Database, intents: Stripe.PaymentIntent[]): Promise<Map<string, KnownPayment>> {
  const rows = [
    ...(
      await readPayments(
        db,
        intents.map(({ id }) => id),
      )
    ).values(),
  ]
  const shown = await readShownMoney(db, rows)
  return new Map(
    rows.map(({ id, status, order_id, payment_id }) => [
      id,
      { status, order_id, shown: shown.get(payment_id ?? "") ?? null },
    ]),
  )
}

/** Stripe has just told how it stands: the decision needs no read of its own. */
function found(intent: Stripe.PaymentIntent, text: string, account: string | undefined) {
  const snapshot = JSON.stringify(withoutSecret(intent))
  const client_secret_hash = hashOfSecret(intent.client_secret)
  const facts = { ...intentFacts(parseStorable(snapshot)), client_secret_hash, account: account ?? null }
  return { id: intent.id, text: `Found by reconcile: ${text}`, facts, snapshot }
}
