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
 * Asks the store's hook `afterSettling` about what came of payments. Where it throws, each payment is asked about by itself: one
 * that it can't cope with holds up no other, and comes again. A crash after the hook's answer asks again, by the same
 * `event_id`.
 */
export async function askAfterSettling(
  container: MedusaContainer,
  db: Knex,
  mayGoOn: () => boolean,
): Promise<void> {
  const ask = async (events: OutboxEvent[]) => {
    // A store that has given up its hook has rows left from before.
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
