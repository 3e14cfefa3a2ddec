import type Stripe from "stripe"

/**
 * Which event concerns which payment: one table. An event never says what to do, only "look at this payment again".
 */

/** What an event of a type means for the payment that it names. */
interface Meaning {
  /** Makes the payment's row where there is none. Other events are for payments that we know. */
  opens?: true
  /** Is asked for where it was missed, though it opens nothing and moves no money. */
  isFetched?: true
  /** Its object is the payment intent itself, as it stood when the event was made. */
  snapshot?: true
  news: Exclude<News, "paid">
  /** Money was authorized or captured. */
  isPaid?: true
}

/**
 * What an event tells. `paid` is progress that took money. `progress` says nothing against a snapshot of the same second or an earlier one; after a `refund`
 * that was made, other `money` that moved, or after it was `canceled`, the payment is no longer as an earlier snapshot has it.
 */
export type News = "progress" | "paid" | "refund" | "money" | "canceled"

const PAID: Meaning = { opens: true, snapshot: true, news: "progress", isPaid: true }
/** The money of a slow method (a debit, a voucher) is on its way: Medusa may have made the order already. */
const PROCESSING: Meaning = { opens: true, snapshot: true, news: "progress" }
const FAILED: Meaning = { snapshot: true, news: "progress" }
/** A session that was paid, or that cost nothing and has no payment intent: an endpoint may send no other event. */
const SOLD: Meaning = { opens: true, news: "progress" }
const PROGRESS: Meaning = { news: "progress" }
/** The hold of its cart ends. */
const EXPIRED: Meaning = { news: "progress", isFetched: true }
const REFUND: Meaning = { news: "refund" }
const MOVED: Meaning = { news: "money" }
const CANCELED: Meaning = { news: "canceled" }

const MEANINGS: ReadonlyMap<string, Meaning> = new Map([
  ["payment_intent.succeeded", PAID],
  ["payment_intent.amount_capturable_updated", PAID],
  ["payment_intent.created", PROGRESS],
  ["payment_intent.processing", PROCESSING],
  ["payment_intent.requires_action", PROGRESS],
  ["payment_intent.payment_failed", FAILED],
  ["payment_intent.canceled", CANCELED],
  ["payment_intent.partially_funded", MOVED],
  ["charge.pending", PROGRESS],
  ["charge.succeeded", PROGRESS],
  ["charge.captured", PROGRESS],
  ["charge.updated", PROGRESS],
  ["charge.failed", PROGRESS],
  ["charge.expired", MOVED],
  ["charge.refunded", REFUND],
  ["charge.refund.updated", MOVED],
  ["refund.created", REFUND],
  ["refund.updated", MOVED],
  ["refund.failed", MOVED],
  ["charge.dispute.created", MOVED],
  ["charge.dispute.updated", MOVED],
  ["charge.dispute.closed", MOVED],
  ["charge.dispute.funds_withdrawn", MOVED],
  ["charge.dispute.funds_reinstated", MOVED],
  ["checkout.session.completed", SOLD],
  ["checkout.session.async_payment_succeeded", SOLD],
  ["checkout.session.async_payment_failed", PROGRESS],
  ["checkout.session.expired", EXPIRED],
])

export interface Concern extends Omit<Meaning, "news"> {
  news: News
  /** the payment intent's id, or that of a Checkout Session in which nothing was to be paid */
  payment_intent_id: string
}

/** The payment that an event is about, or null where it is about none. */
export function concernOf(event: Stripe.Event): Concern | null {
  const meaning = MEANINGS.get(event.type)
  const payment_intent_id =
    meaning && (paymentIntentIdOf(event.data.object) ?? freeSessionIdOf(event.data.object))
  return meaning && payment_intent_id
    ? { ...meaning, news: meaning.isPaid ? "paid" : meaning.news, payment_intent_id }
    : null
}

/** What the plugin reads of an event of this type: its payment intent, which one it is about, or nothing. */
export function objectOf(type: string): "payment_intent" | "other" | "none" {
  if (!MEANINGS.has(type)) {
    return "none"
  }
  return type.startsWith("payment_intent.") ? "payment_intent" : "other"
}

/** Stripe writes ids of a payment intent in four places, as the id or as the whole object. */
function paymentIntentIdOf(object: unknown): string | null {
  const { object: kind, id, payment_intent } = object as Record<string, unknown>
  if (kind === "payment_intent") {
    return typeof id === "string" ? id : null
  }
  const named =
    typeof payment_intent === "object" ? (payment_intent as { id?: unknown } | null)?.id : payment_intent
  return typeof named === "string" ? named : null
}

/** A Checkout Session in which nothing was to be paid has no payment intent, and stands for one. */
function freeSessionIdOf(object: unknown): string | null {
  const { object: kind, id, mode, payment_status } = object as Record<string, unknown>
  const isFree = kind === "checkout.session" && mode === "payment" && payment_status === "no_payment_required"
  return isFree && typeof id === "string" ? id : null
}

/** The types that tell this, for SQL. */
export function typesThatTell(news: News): string[] {
  return [...MEANINGS].flatMap(([type, { news: told, isPaid }]) =>
    told === news || (isPaid && news === "paid") ? [type] : [],
  )
}

/**
 * The types that are asked for where events may have been missed: those that open a payment, say how it stands, or that money
 * moved. The others say nothing that these don't, and Stripe lists 20 types at most at once.
 */
export function typesToFetch(): string[] {
  return [...MEANINGS].flatMap(([type, { opens, snapshot, news, isFetched }]) =>
    opens || snapshot || isFetched || news !== "progress" ? [type] : [],
  )
}

function isProgress({ type }: StoredEvent): boolean {
  return MEANINGS.get(type)?.news === "progress"
}

/** One stored event of a payment. */
export interface StoredEvent {
  id: string
  type: string
  api_version: string | null
  /** when Stripe made it */
  created: Date
  /** when we stored it */
  created_at: Date
  /** the payment's revision that it made */
  revision: number | null
  /** what was signed; null where it was pruned */
  payload: string | null
}

/** An event older than this is not believed any more: the payment may have moved without our hearing of it. */
export const FRESH_MS = 300_000

/** An event that took longer to come was held up, and others may still be: it is not believed. Stripe tells whole seconds. */
const PROMPT_MS = 60_000

/** `latest_charge` is in payment intents since this version: https://docs.stripe.com/upgrades#2022-11-15 */
const OLDEST_KNOWN_VERSION = "2022-11-15"

/**
 * The payment as its events tell it, or null where they don't suffice and Stripe is to be asked: there is no snapshot,
 * it is old or came late, is of an API version that we don't know, something happened after it, or another snapshot of
 * its second may be the later one.
 */
export function snapshotOf(events: StoredEvent[], newestKnownVersion: string, now: Date): string | null {
  const snapshots = events.filter(({ type }) => MEANINGS.get(type)?.snapshot)
  const newest = snapshots.reduce<StoredEvent | undefined>((a, b) => (a && !isLater(b, a) ? a : b), undefined)
  if (!newest || now.getTime() - newest.created.getTime() > FRESH_MS) {
    return null
  }
  const isLate = newest.created_at.getTime() - newest.created.getTime() > PROMPT_MS
  const superseded = events.some((event) => !isProgress(event) && event.created >= newest.created)
  const ambiguous = snapshots.some(
    (other) => other !== newest && isLater(other, newest) === isLater(newest, other),
  )
  const isUnknown = !isKnown(newest.api_version, newestKnownVersion)
  return isLate || superseded || ambiguous || isUnknown ? null : newest.payload
}

/** Whether an event that says something against what was known at `revision` has come since. */
export function hasMoved(events: StoredEvent[], revision: number): boolean {
  return events.some((event) => (event.revision ?? 0) > revision && !isProgress(event))
}

/** Seconds are all that Stripe tells: within one, a payment is captured after it could be. */
function isLater(a: StoredEvent, b: StoredEvent): boolean {
  const difference = a.created.getTime() - b.created.getTime()
  return difference > 0 || (difference === 0 && a.type === "payment_intent.succeeded")
}

/** Versions begin with their date: `2022-11-15`, `2026-10-28.endive`. */
function isKnown(version: string | null, newestKnown: string): boolean {
  const date = version?.slice(0, 10) ?? ""
  return date >= OLDEST_KNOWN_VERSION && date <= newestKnown.slice(0, 10)
}
