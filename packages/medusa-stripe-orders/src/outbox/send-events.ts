import type { Knex } from "@medusajs/framework/mikro-orm/knex"
import type { IEventBusModuleService, MedusaContainer } from "@medusajs/framework/types"
import { Modules } from "@medusajs/framework/utils"
import { within } from "../waker"
import { isForHook } from "./after-settling"
import { markSent, type OutboxEvent, readOutbox, removeSent } from "./outbox"

const AT_ONCE = 100

/** A bus that is silent for so long is asked again. */
const SILENT_MS = 60_000

/**
 * Sends what is in the outbox to the store's event bus, in the order in which it was written, and removes what the bus has
 * taken, but for what the store's own hook is to be asked about. A crash in between sends it again, with the same `event_id`. No transaction is open meanwhile: a bus that
 * hangs holds up events, and nothing else.
 */
export async function sendEvents(
  container: MedusaContainer,
  db: Knex,
  mayGoOn: () => boolean,
): Promise<void> {
  const bus: IEventBusModuleService = container.resolve(Modules.EVENT_BUS)
  for (let isMore = true; isMore && mayGoOn(); ) {
    const events = await readOutbox(db, AT_ONCE)
    if (events.length > 0) {
      await within(SILENT_MS, bus.emit(events.map(toMessage), {}))
      const forHook = events.filter(isForHook)
      await markSent(db, forHook)
      await removeSent(
        db,
        events.filter((event) => !forHook.includes(event)),
      )
    }
    isMore = events.length === AT_ONCE
  }
}

function toMessage({ name, data }: OutboxEvent) {
  return { name, data }
}
