import type { Knex } from "@medusajs/framework/mikro-orm/knex"
import type { Logger, MedusaContainer } from "@medusajs/framework/types"
import { ContainerRegistrationKeys } from "@medusajs/framework/utils"
import { messageOf } from "../payments/payments"
import { isAsked, type SettledPayment, settleStripePaymentsWorkflow } from "../workflows/store-hooks"
import { EVENT_PREFIX } from "./bus-events"
import { type OutboxEvent, postpone, readForHook, removeSent } from "./outbox"

const AT_ONCE = 50

/** What the hook is asked about; `ordered` and `sold_out` are on the way to something else. */
const OUTCOMES: readonly string[] = ["completed", "refunded", "canceled", "disputed", "review"]

/** Whether the store's own hook is to be asked about this event. */
export function isForHook({ name }: OutboxEvent): boolean {
  return isAsked.afterSettling() && OUTCOMES.includes(outcomeIn(name))
}

/**
 * Asks the store's hook `afterSettling` about the outcomes of payments. When it throws, it is asked about each payment by itself:
 * the one that it fails on is asked about again later, and does not hold up the others. After a crash the hook may be asked
 * again, with the same `event_id`.
 */
export async function askAfterSettling(
  container: MedusaContainer,
  db: Knex,
  mayGoOn: () => boolean,
): Promise<void> {
  const ask = async (events: OutboxEvent[]) => {
    // A store that removed its hook has rows left.
    if (isAsked.afterSettling()) {
      const workflow = settleStripePaymentsWorkflow(container)
      await workflow.run({ input: { payments: events.map(toPayment) } })
    }
    await removeSent(db, events)
  }
  for (let isMore = true; isMore && mayGoOn(); ) {
    const events = await readForHook(db, AT_ONCE)
    const areAll =
      events.length > 1 &&
      (await ask(events).then(
        () => true,
        () => false,
      ))
    for (const event of areAll ? [] : events) {
      if (mayGoOn()) {
        await ask([event]).catch((error) => failed(container, db, event, error))
      }
    }
    isMore = events.length === AT_ONCE
  }
}

async function failed(container: MedusaContainer, db: Knex, event: OutboxEvent, error: Error): Promise<void> {
  const logger: Logger = container.resolve(ContainerRegistrationKeys.LOGGER)
  const { id } = event.data
  logger.warn(
    `Stripe payment ${id}: the store's afterSettling hook failed, and is asked again: ${messageOf(error)}`,
  )
  await postpone(db, event)
}

function toPayment({ name, data }: OutboxEvent): SettledPayment {
  return { ...data, outcome: outcomeIn(name) as SettledPayment["outcome"] }
}

function outcomeIn(name: string): string {
  return name.slice(EVENT_PREFIX.length)
}
