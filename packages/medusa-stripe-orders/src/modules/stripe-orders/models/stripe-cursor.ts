import { model } from "@medusajs/framework/utils"

/** How far one of Stripe's lists was read. */
const StripeCursor = model.define("stripe_cursor", {
  /** `events`; of a connected account `events:acct_…` */
  id: model.text().primaryKey(),
  /** nothing from before is read */
  since: model.dateTime(),
  /** when Stripe made the newest that was read */
  position: model.dateTime(),
})

export default StripeCursor
