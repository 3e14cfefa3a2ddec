import type { Account } from "../account.js"
import type { Api } from "../api.js"
import { newId } from "../ids.js"

/** What a thin event notification is about. */
export interface RelatedObject {
  id: string
  type: string
  url: string
}

/** The notification of an event of Stripe's second API: it names an object and doesn't hold it. */
export interface ThinEvent {
  id: string
  object: "v2.core.event"
  type: string
  created: string
  livemode: boolean
  context: string | null
  related_object: RelatedObject | null
}

export interface NewThinEvent {
  /** Such as "v2.core.account.updated". */
  type: string
  related?: RelatedObject
  /** The connected account that it is about. */
  context?: string
  livemode?: boolean
}

export function createThinEvent(account: Account, given: NewThinEvent): ThinEvent {
  const { type, related = null, context = null, livemode = false } = given
  return account.store.thin_events.add({
    id: newId("evt_test"),
    object: "v2.core.event",
    type,
    created: new Date().toISOString(),
    livemode,
    context,
    related_object: related,
  })
}

export function thinEvents(api: Api, account: Account): void {
  api.get("/v2/core/events/:id", {}, (_, id) => account.store.thin_events.need(id))
}
