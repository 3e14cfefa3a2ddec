import type Stripe from "stripe"
import type { Account } from "../account.js"
import type { Api } from "../api.js"
import { badParam, noSuch } from "../errors.js"
import { created, page, paging } from "../pages.js"
import { boolean, list, text } from "../params.js"

const THIRTY_DAYS = 30 * 24 * 60 * 60

export function events(api: Api, account: Account): void {
  const { events } = account.store

  // "You can access events through the Retrieve Event API for 30 days", says Stripe; the list goes back as far.
  const kept = ({ created }: Stripe.Event) => created > account.now() - THIRTY_DAYS

  api.get("/v1/events/:id", {}, (_, id) => {
    const event = events.need(id)
    if (!kept(event)) throw noSuch("event", id, "id")
    return event
  })

  const query = { ...paging, created, type: text, types: list(text), delivery_success: boolean }
  api.get("/v1/events", query, ({ type, types, delivery_success, ...query }) => {
    if (type && types) throw badParam("You may only specify one of these parameters: type, types.", "types")
    if (types && types.length > 20) throw badParam("You may only specify up to 20 types.", "types")
    const among = matching([...(types ?? []), ...(type ? [type] : [])])
    return page(
      events,
      "/v1/events",
      query,
      (event) =>
        kept(event) &&
        query.created(event.created) &&
        among(event.type) &&
        (delivery_success === undefined || delivery_success === (event.pending_webhooks === 0)),
    )
  })
}

/** Types may end in `*`, as in `charge.*`. */
function matching(types: string[]): (type: string) => boolean {
  if (types.length === 0) return () => true
  return (type) =>
    types.some((wanted) => wanted === type || (wanted.endsWith("*") && type.startsWith(wanted.slice(0, -1))))
}
