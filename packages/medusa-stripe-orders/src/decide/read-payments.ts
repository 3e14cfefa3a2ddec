import { ContainerRegistrationKeys } from "@medusajs/framework/utils"
import type Stripe from "stripe"
import { lookUp } from "../carry-out/look-up"
import { FRESH_MS, hasMoved, type StoredEvent, snapshotOf } from "../events"
import { lostSessions } from "../medusa/lost"
import type { CheckoutSession } from "../order-draft/checkout-session"
import {
  loadSessions,
  type Session,
  type Sessions,
  saysWhatWasBought,
  sessionIdOf,
  sourceOf,
} from "../order-draft/source"
import { whyUnsourced } from "../order-draft/unsourced"
import { readEvents } from "../payments/inbox"
import { BY_HAND, type ClaimedPayment } from "../payments/queue"
import { parseStorable } from "../payments/storable"
import type { Batch } from "./batch"
import { standingOf } from "./standing"

interface KnownIntent {
  intent: Stripe.PaymentIntent
  /** its Checkout Session, where Stripe was asked for it */
  checkout: CheckoutSession | null
  /** whether Stripe itself was asked, not only its event */
  isRead: boolean
}

/**
 * How each payment stands: by its signed events, which cost no read, or by what Stripe answered. A payment of which
 * neither says enough leaves the batch, and Stripe is asked about it elsewhere.
 */
export async function readPayments(batch: Batch): Promise<void> {
  ignoreOtherAccounts(batch)
  const events = await readEvents(batch.db, [...batch.claimed.keys()])
  const reads = batch.undecided.map(async (payment) => {
    const known = knownIntent(batch, payment, events.get(payment.id) ?? [])
    // A workflow that is run by hand asks at once for what the worker would ask for later.
    const isEnough =
      batch.actor !== BY_HAND || known?.isRead || (known && saysWhatWasBought(known.intent.metadata))
    return known && isEnough ? known : await readOrSetAside(batch, payment)
  })
  const known = (await Promise.all(reads)).filter((one) => one !== null)
  const ids = known.flatMap(({ intent, checkout }) => sessionIdOf(intent, checkout) ?? [])
  const sessions = await loadSessions(batch.container.resolve(ContainerRegistrationKeys.QUERY), ids)
  const lost = await lostSessions(
    batch.db,
    ids.filter((id) => !leadsOn(sessions.get(id))),
  )
  for (const { intent, isRead, checkout } of known) {
    const standing = standingOf(intent)
    const unpaidOrder = standing.kind === "paid" ? null : unpaidOrderOf(intent, sessions)
    if (unpaidOrder) {
      const text = `The order was placed before it was paid, and the payment is ${intent.status} in Stripe`
      const facts = { ...unpaidOrder, placed_at: new Date() }
      batch.setAside(intent.id, "money_moved", { kind: "decision", text, data: unpaidOrder }, { facts })
    } else if (standing.kind === "void") {
      const { reason } = standing
      batch.setAside(intent.id, "void", { kind: "decision", text: reason }, { reason })
    } else if (standing.kind === "unpaid") {
      const text = `Is not paid: it is ${standing.status} in Stripe`
      batch.setAside(
        intent.id,
        "awaiting_payment",
        { kind: "decision", text },
        { due_in_ms: standing.status === "processing" ? PROCESSING_RETRY_MS : UNPAID_RETRY_MS },
      )
    } else {
      batch.orReview(intent.id, () => {
        const source = sourceOf(intent, sessions, checkout)
        const unsourced = source ? undefined : whyUnsourced(intent, lost, checkout)
        if (unsourced?.mayBeCanceled && !isRead) {
          batch.setAsideWith(batch.lookup(intent.id, `Stripe is asked: ${unsourced.reason}`))
          return
        }
        if (unsourced?.whose === "unknown" && !isRead && isOfCheckout(intent, events.get(intent.id) ?? [])) {
          batch.setAsideWith(batch.lookup(intent.id, "Stripe is asked what its Checkout sold"))
          return
        }
        batch.candidates.push({ ...standing.payment, checkout, isRead, source, unsourced })
      })
    }
  }
}

/** A platform's endpoint hears of all accounts that are connected to it. */
function ignoreOtherAccounts(batch: Batch): void {
  const { accounts, stripe } = batch.plugin.options
  for (const { id, account } of batch.undecided) {
    if (account && !accounts.includes(account) && account !== stripe.stripeAccount) {
      batch.ignore(id, `it is of the connected account ${account}, which is not among the option accounts`)
    }
  }
}

/** Whether a payment is known to be of Stripe's Checkout: it names its session (since about December 2025), or that had events. */
function isOfCheckout({ payment_details }: Stripe.PaymentIntent, events: StoredEvent[]): boolean {
  const named = payment_details?.order_reference?.startsWith("cs_")
  return Boolean(named) || events.some(({ type }) => type.startsWith("checkout.session."))
}

/** Whether a session that Medusa shows leads to what was bought. */
function leadsOn(session: Session | undefined): boolean {
  return Boolean(session?.payment_collection?.cart ?? session?.payment_collection?.order)
}

const UNPAID_RETRY_MS = 60_000
/** Slow methods take days. */
const PROCESSING_RETRY_MS = 3_600_000

/** The order that Medusa made while this payment was on its way, where the payment has failed since. */
function unpaidOrderOf(
  intent: Stripe.PaymentIntent,
  sessions: Sessions,
): { order_id: string; cart_id: string | null } | null {
  const session = sessions.get(intent.metadata.session_id ?? "")
  const order_id = session?.payment_collection?.order?.id
  const hasFailed = intent.status === "canceled" || intent.status === "requires_payment_method"
  return order_id && hasFailed && !session?.payment
    ? { order_id, cart_id: session?.payment_collection?.cart?.id ?? null }
    : null
}

/** What Stripe answered lately, unless the payment has moved since; or what the events say by themselves. */
function knownIntent({ plugin }: Batch, payment: ClaimedPayment, events: StoredEvent[]): KnownIntent | null {
  const now = new Date()
  const { snapshot, snapshot_at, snapshot_revision } = payment
  const isFresh = snapshot_at && now.getTime() - snapshot_at.getTime() < FRESH_MS
  if (snapshot && isFresh && !hasMoved(events, snapshot_revision ?? 0)) {
    return { ...answered(payment), isRead: true }
  }
  const payload = snapshotOf(events, plugin.stripe.getApiField("version") ?? "", now)
  const event = payload && parseStorable<Stripe.Event>(payload)
  return event ? { intent: event.data.object as Stripe.PaymentIntent, checkout: null, isRead: false } : null
}

/** What Stripe answered, from the row. */
function answered({ snapshot, checkout }: { snapshot?: string | null; checkout?: string | null }) {
  return {
    intent: parseStorable<Stripe.PaymentIntent>(snapshot ?? ""),
    checkout: checkout ? parseStorable<CheckoutSession>(checkout) : null,
  }
}

/** A workflow that is run by hand asks Stripe itself, within its own time. */
async function readOrSetAside(batch: Batch, payment: ClaimedPayment): Promise<KnownIntent | null> {
  if (batch.actor !== BY_HAND) {
    batch.setAsideWith(batch.lookup(payment.id, "Its events don't say enough: Stripe is asked"))
    return null
  }
  const outcome = await lookUp({ plugin: batch.plugin.onAccount(payment.account) }, payment)
  const { facts = {} } = outcome
  if (facts.snapshot) {
    return { ...answered(facts), isRead: true }
  }
  batch.setAsideWith(outcome)
  return null
}
