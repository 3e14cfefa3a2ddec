import type { ILockingModule, Logger, MedusaContainer } from "@medusajs/framework/types"
import { ContainerRegistrationKeys, Modules } from "@medusajs/framework/utils"
import type Stripe from "stripe"
import { lookUp } from "../carry-out/look-up"
import { FRESH_MS, type StoredEvent, snapshotOf } from "../events"
import { ordersOfCarts } from "../medusa/payment-records"
import { draftOrders } from "../order-draft/draft"
import { lacksCharge } from "../order-draft/from-items"
import { NeedsReview } from "../order-draft/order-draft"
import type { SourcedPayment } from "../order-draft/shop"
import { loadSessions, sourceFromHook, sourceOf } from "../order-draft/source"
import { backOffMs, readEvents } from "../payments/payments"
import { BY_HAND, type ClaimedPayment } from "../payments/queue"
import { parseStorable } from "../payments/storable"
import { databaseOf, pluginOf } from "../plugin"
import type { Batch, OrderedCart } from "./batch"
import { type Entry, placeOrders } from "./place-orders"
import { standingOf } from "./standing"

/**
 * Decides about a batch of payments: which become orders. The story, step by step:
 *
 * 1. `readPayments`: how does each stand, by its signed events? Stripe is not asked here.
 * 2. `assignSources`: what was bought? Its Medusa session or cart, its list of items, or the store's own rule.
 * 3. `lockCarts`: no other flow completes these carts meanwhile.
 * 4. `draftPayments`: the orders, which only lack stock; the shop is read once for all.
 * 5. `placeDrafts`: under the items' locks, stock and orders in one transaction.
 *
 * A payment that can't go on leaves its batch at each step, and delays no other.
 */

/** A batch that still waits for locks after this long is left to wait by itself. */
const PARKED_AFTER_MS = 250

/** A lock that was busy is tried again after half of the time that the payment has waited so far, within these bounds. */
const BUSY_RETRY_MS = { least: 250, most: 10_000 }

/** Locks that stay busy for this long are counted as failures. */
const BUSY_FOR_TOO_LONG_MS = 3_600_000

export async function readPayments(container: MedusaContainer, batch: Batch): Promise<void> {
  const events = await readEvents(databaseOf(container), [...batch.claimed.keys()])
  const intents: { intent: Stripe.PaymentIntent; isRead: boolean }[] = []
  for (const payment of batch.claimed.values()) {
    const known = knownIntent(container, payment, events.get(payment.id) ?? [])
    if (known) {
      intents.push(known)
    } else if (batch.actor === BY_HAND) {
      await readByHand(container, batch, payment, (intent) => intents.push({ intent, isRead: true }))
    } else {
      batch.setAside(payment.id, "lookup", {
        kind: "decision",
        text: "Its events don't say enough: Stripe is asked",
      })
    }
  }
  const sessions = await loadSessions(
    container.resolve(ContainerRegistrationKeys.QUERY),
    intents.map(({ intent }) => intent),
  )
  for (const { intent, isRead } of intents) {
    const standing = standingOf(intent)
    if (standing.kind === "void") {
      batch.setAside(
        intent.id,
        "void",
        { kind: "decision", text: standing.reason },
        { reason: standing.reason },
      )
    } else if (standing.kind === "unpaid") {
      const text = `Is not paid: it is ${standing.status} in Stripe`
      batch.setAside(intent.id, "awaiting_payment", { kind: "decision", text }, { due_in_ms: 60_000 })
    } else {
      orReview(container, batch, intent.id, () => {
        batch.candidates.push({ ...standing.payment, isRead, source: sourceOf(intent, sessions) })
      })
    }
  }
}

/** What Stripe answered lately, unless an event has come since; or what the events say by themselves. */
function knownIntent(container: MedusaContainer, payment: ClaimedPayment, events: StoredEvent[]) {
  const now = new Date()
  const { snapshot, snapshot_at } = payment
  const newestEvent = Math.max(0, ...events.map(({ created_at }) => created_at.getTime()))
  const readAt = snapshot_at?.getTime() ?? 0
  if (snapshot && readAt > newestEvent && now.getTime() - readAt < FRESH_MS) {
    return { intent: parseStorable<Stripe.PaymentIntent>(snapshot), isRead: true }
  }
  const { stripe } = pluginOf(container)
  const payload = snapshotOf(events, stripe.getApiField("version") ?? "", now)
  const event = payload && parseStorable<Stripe.Event>(payload)
  return event ? { intent: event.data.object as Stripe.PaymentIntent, isRead: false } : null
}

/** A workflow that is run by hand asks Stripe itself, within its own time. */
async function readByHand(
  container: MedusaContainer,
  batch: Batch,
  payment: ClaimedPayment,
  use: (intent: Stripe.PaymentIntent) => void,
): Promise<void> {
  const outcome = await lookUp({ plugin: pluginOf(container) }, payment)
  const { snapshot } = outcome.facts ?? {}
  if (snapshot) {
    use(parseStorable(snapshot))
  } else {
    batch.setAsideWith(outcome)
  }
}

/** Completes the payments that only the store's own rule can place; the others have their source already. */
export function assignSources(container: MedusaContainer, batch: Batch, answers: unknown): void {
  const { options } = pluginOf(container)
  for (const candidate of [...batch.candidates]) {
    orReview(container, batch, candidate.id, () => {
      candidate.source ??= sourceFromHook((answers as Record<string, unknown> | undefined)?.[candidate.id])
      if (!candidate.source) {
        throw new NeedsReview(
          "the payment doesn't say what was bought: it has no metadata.session_id, cart_id or items, and no orderContent hook knows it",
        )
      }
      const { source } = candidate
      if (
        source.kind === "items" &&
        !candidate.isRead &&
        lacksCharge({ ...candidate, source }, options.billingAddress)
      ) {
        batch.setAside(candidate.id, "lookup", {
          kind: "decision",
          text: "The order needs the charge's billing details: Stripe is asked",
        })
      }
    })
  }
}

/**
 * Locks each payment's cart, and the payment itself where the store chose so, as the seed does. Payments whose locks are
 * busy are set aside, each by itself.
 *
 * Carts first, then items, as complete-cart does: it holds its cart while it queues for the item. A request for
 * both at once would stand before it in the item's queue and wait for its cart, and neither would move.
 */
export async function lockCarts(container: MedusaContainer, batch: Batch): Promise<void> {
  const locking: ILockingModule = container.resolve(Modules.LOCKING)
  const { options } = pluginOf(container)
  const tries = batch.candidates.map(async ({ id, source }) => {
    const cart = source?.kind === "cart" ? [source.cart_id] : []
    const keys = options.lockKey === "cart" ? cart : [id, ...cart]
    if (keys.length === 0) {
      return
    }
    // Holdfast's providers renew the lock while `keep` says so; others keep it for the ttl.
    const args = { ownerId: `${batch.id}/${id}`, expire: options.lock.ttl, keep: () => batch.isOpen }
    try {
      await locking.acquire(keys, args)
      batch.locked.set(id, keys)
    } catch (error) {
      busyOrFailed(container, batch, id, error as Error)
    }
  })
  await Promise.all(tries)
}

export async function unlockCarts(
  container: MedusaContainer,
  batch: Batch,
  ids: Iterable<string>,
): Promise<void> {
  const locking: ILockingModule = container.resolve(Modules.LOCKING)
  const releases = [...ids].map(async (id) => {
    const keys = batch.locked.get(id)
    batch.locked.delete(id)
    // A lock that can't be released ends by itself.
    await (keys && locking.release(keys, { ownerId: `${batch.id}/${id}` }).catch(() => {}))
  })
  await Promise.all(releases)
}

/** Reads carts, prices and taxes under the locks, and makes of each payment an order that only lacks stock. */
export async function draftPayments(container: MedusaContainer, batch: Batch): Promise<void> {
  const sourced = batch.candidates as SourcedPayment[]
  const cartOf = ({ source }: SourcedPayment) => (source.kind === "cart" ? source.cart_id : "")
  const orders = await ordersOfCarts(
    { sql: databaseOf(container) as never },
    sourced.map(cartOf).filter(Boolean),
  )
  const ordered = sourced.filter((payment) => orders.has(cartOf(payment)))
  const { drafts, reviews, failures } = await draftOrders(
    container,
    sourced.filter((payment) => !orders.has(cartOf(payment))),
  )
  for (const { id, reason } of reviews) {
    review(container, batch, id, reason)
  }
  for (const { id, error } of failures) {
    failed(container, batch, id, error)
  }
  batch.drafts = [...drafts, ...ordered.map(orderedCart)]
}

function orderedCart(payment: SourcedPayment): OrderedCart {
  const source = payment.source as SourcedPayment["source"] & { kind: "cart" }
  return {
    payment,
    cart_id: source.cart_id,
    payment_session_id: source.payment_session_id ?? null,
    order: null,
    demands: [],
  }
}

/**
 * Places the drafts under the locks of their inventory items, which Medusa's own flows take too before they write
 * quantities that they read. Drafts that share items are one group, with one request for all its items: groups that
 * get their locks go on, and those that wait delay no other.
 */
export async function placeDrafts(container: MedusaContainer, batch: Batch): Promise<void> {
  const started: Promise<void>[] = []
  const groups = groupsByItem(batch.drafts).map(async (entries) => {
    const group = { entries, items: itemsOf(entries) }
    await underItemLocks(container, batch, group, () => {
      const placed = placeInHalves(container, batch, entries)
      started.push(placed)
      return placed
    })
    await batch.flush()
    await unlockCarts(
      container,
      batch,
      entries.map(({ payment }) => payment.id),
    )
  })
  const parking = setTimeout(() => Promise.allSettled(started).then(() => batch.park()), PARKED_AFTER_MS)
  try {
    await Promise.all(groups)
  } finally {
    clearTimeout(parking)
  }
}

interface Group {
  entries: Entry[]
  items: string[]
}

/** Items for which a group of this process has waited for a while. Later payments for them come again, behind it. */
const contended = new Set<string>()

async function underItemLocks(
  container: MedusaContainer,
  batch: Batch,
  { entries, items }: Group,
  work: () => Promise<void>,
): Promise<void> {
  const setAsideAll = (error: Error) => {
    for (const { payment } of entries) {
      busyOrFailed(container, batch, payment.id, error)
    }
  }
  if (items.some((item) => contended.has(item))) {
    setAsideAll(new Error("Failed to acquire lock: earlier payments wait for the same inventory item"))
    return
  }
  const contention = setTimeout(() => items.map((item) => contended.add(item)), PARKED_AFTER_MS)
  const start = async () => {
    clearTimeout(contention)
    items.map((item) => contended.delete(item))
    await work()
  }
  const locking: ILockingModule = container.resolve(Modules.LOCKING)
  const { timeout } = pluginOf(container).options.lock
  try {
    await (items.length > 0 ? locking.execute(items, start, { timeout }) : start())
  } catch (error) {
    clearTimeout(contention)
    items.map((item) => contended.delete(item))
    setAsideAll(error as Error)
  }
}

/** A group that fails is placed half by half, in the order of arrival, so that one bad payment holds up no other. */
async function placeInHalves(container: MedusaContainer, batch: Batch, group: Entry[]): Promise<void> {
  try {
    await placeOrders(container, batch, group, pluginOf(container).options)
  } catch (error) {
    if (group.length === 1) {
      failed(container, batch, (group[0] as Entry).payment.id, error as Error)
      return
    }
    const half = Math.ceil(group.length / 2)
    await placeInHalves(container, batch, group.slice(0, half))
    await placeInHalves(container, batch, group.slice(half))
  }
}

/** Drafts that share an inventory item, directly or through others, are in one group. */
export function groupsByItem(entries: Entry[]): Entry[][] {
  const groups = new Set<{ items: Set<string>; entries: Entry[] }>()
  for (const entry of entries) {
    const merged = { items: new Set(itemsOf([entry])), entries: [entry] }
    for (const group of groups) {
      const touches = [...merged.items].some((item) => group.items.has(item))
      if (touches || (merged.items.size === 0 && group.items.size === 0)) {
        groups.delete(group)
        merged.entries = [...group.entries, ...merged.entries]
        merged.items = new Set([...group.items, ...merged.items])
      }
    }
    groups.add(merged)
  }
  return [...groups].map(({ entries }) => entries)
}

function itemsOf(entries: Entry[]): string[] {
  const items = entries.flatMap(({ demands }) => demands.map(({ inventory_item_id }) => inventory_item_id))
  return [...new Set(items)].sort()
}

function orReview(container: MedusaContainer, batch: Batch, id: string, work: () => void): void {
  try {
    work()
  } catch (error) {
    if (!(error instanceof NeedsReview)) {
      throw error
    }
    review(container, batch, id, error.message)
  }
}

function review(container: MedusaContainer, batch: Batch, id: string, reason: string): void {
  const logger: Logger = container.resolve(ContainerRegistrationKeys.LOGGER)
  logger.warn(`Stripe payment ${id} needs review: ${reason}`)
  batch.setAside(id, "review", { kind: "decision", text: `Needs review: ${reason}` }, { reason })
}

/** Medusa's providers and Holdfast's say a busy lock in the same words. */
const BUSY = /Failed to acquire lock|Timed-out acquiring lock/

function busyOrFailed(container: MedusaContainer, batch: Batch, id: string, error: Error): void {
  const { status_since } = batch.claimed.get(id) as ClaimedPayment
  const waited = Date.now() - new Date(status_since).getTime()
  if (!BUSY.test(error.message) || waited > BUSY_FOR_TOO_LONG_MS) {
    failed(container, batch, id, error)
    return
  }
  const due_in_ms = Math.min(BUSY_RETRY_MS.most, Math.max(BUSY_RETRY_MS.least, waited / 2))
  const text = `A lock is busy: ${error.message}`
  batch.setAside(
    id,
    "pending",
    { kind: "attempt", text },
    { error: error.message, attempts: "kept", due_in_ms },
  )
}

/** The payment is tried again after a back-off, and needs review when it has failed often enough. */
export function failed(container: MedusaContainer, batch: Batch, id: string, error: Error): void {
  const { options } = pluginOf(container)
  const logger: Logger = container.resolve(ContainerRegistrationKeys.LOGGER)
  const attempt = (batch.claimed.get(id) as ClaimedPayment).attempts + 1
  const gaveUp = attempt >= options.maxAttempts
  const line = { kind: "attempt" as const, text: `Attempt ${attempt} failed: ${error.message}` }
  logger.warn(`Stripe payment ${id}: attempt ${attempt} failed: ${error.message}`)
  batch.setAside(id, gaveUp ? "review" : "pending", line, {
    error: error.message,
    attempts: "failed",
    due_in_ms: backOffMs(attempt),
    ...(gaveUp && { reason: `gave up after ${attempt} attempts: ${error.message}` }),
  })
}
