import type { Account } from "../account.js"
import type { Api } from "../api.js"
import { created, page, paging } from "../pages.js"
import { boolean, list, text } from "../params.js"

export function events(api: Api, account: Account): void {
  const { events } = account.store

  api.get("/v1/events/:id", {}, (_, id) => events.need(id))

  const query = { ...paging, created, type: text, types: list(text), delivery_success: boolean }
  api.get("/v1/events", query, ({ type, types, delivery_success, ...query }) => {
    const among = matching([...(types ?? []), ...(type ? [type] : [])])
    return page(
      events,
      "/v1/events",
      query,
      (event) =>
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
