import type { Knex } from "@medusajs/framework/mikro-orm/knex"
import type { Logger } from "@medusajs/framework/types"
import type Stripe from "stripe"
import { accountsToRead } from "./accounts"
import { listEvents } from "./carry-out/stripe-calls"
import { typesToFetch } from "./events"
import { oldestFirst, type Span } from "./oldest-first"
import { moveCursor, readCursor } from "./payments/cursors"
import { unknownEvents } from "./payments/inbox"
import { messageOf } from "./payments/payments"
import { parseStorable } from "./payments/storable"
import type { Plugin } from "./plugin"

/**
 * Events that Stripe made and never delivered: the endpoint was down, disabled, or not told to send them. Stripe keeps its
 * events for 30 days; they are listed from where the list was read before, and those that are not stored are received as
 * if they had been delivered.
 */

/** Listed again each time: an event shows in the list a little after its second has passed. */
const OVERLAP_SECONDS = 600

/** Stripe's clock may be ahead of ours. */
const AHEAD_SECONDS = 86_400

interface Fetching {
  db: Knex
  plugin: Plugin
  logger: Logger
  /** false ends it after what is at work: another process fetches from then on */
  mayGoOn: () => boolean
}

/**
 * Returns how many had been missed. An account that can't be read, one that has revoked the platform for instance, keeps no
 * other from being read.
 *
 * @throws the first failure, after all accounts
 */
export async function fetchMissedEvents(fetching: Fetching): Promise<number> {
  let missed = 0
  const failures: unknown[] = []
  for (const account of accountsToRead(fetching.plugin)) {
    try {
      missed += await fetchOf(fetching, account)
    } catch (error) {
      failures.push(error)
    }
  }
  if (failures.length > 0) {
    throw failures[0]
  }
  return missed
}

async function fetchOf(fetching: Fetching, account: string | undefined): Promise<number> {
  const { db, plugin, logger, mayGoOn } = fetching
  const name = account ? `events:${account}` : "events"
  const list = (created: Span, starting_after?: string) =>
    listEvents(plugin, { created, starting_after, types: typesToFetch(), limit: 100 }, account)
  let count = 0
  for await (const events of oldestFirst(list, spanAfter(await readCursor(db, name)))) {
    const missed = await unknownEvents(db, events)
    await receiveAll(fetching, missed, account)
    count += missed.length
    await moveCursor(db, name, new Date((events.at(-1)?.created ?? 0) * 1000))
    if (!mayGoOn()) {
      break
    }
  }
  if (count > 0) {
    logger.info(`Stripe payments: ${count} events that Stripe had not delivered were fetched`)
  }
  return count
}

function spanAfter({ since, position }: { since: Date; position: Date }): Span {
  const overlapping = position.getTime() / 1000 - OVERLAP_SECONDS
  return {
    gte: Math.floor(Math.max(since.getTime() / 1000, overlapping)),
    lte: Math.floor(Date.now() / 1000) + AHEAD_SECONDS,
  }
}

/** One event that the database refuses holds up no other; where it refuses all, it is down. */
async function receiveAll(
  { plugin, logger }: Fetching,
  events: Stripe.Event[],
  account: string | undefined,
): Promise<void> {
  const received = await Promise.allSettled(
    events.map((event) => plugin.receive(asDelivered(event, account))),
  )
  const refused = received.flatMap((one, i) =>
    one.status === "rejected" ? [{ id: events[i]?.id, error: one.reason as Error }] : [],
  )
  if (refused.length > 0 && refused.length === events.length) {
    throw refused[0]?.error
  }
  for (const { id, error } of refused) {
    logger.error(`Stripe event ${id} was fetched, but is not received: ${messageOf(error)}`)
  }
}

/** In a delivery the event of a connected account names it; in the account's own list it doesn't. */
function asDelivered(listed: Stripe.Event, account: string | undefined) {
  const payload = JSON.stringify(account ? { ...listed, account } : listed)
  return { event: parseStorable<Stripe.Event>(payload), payload, isFetched: true }
}
