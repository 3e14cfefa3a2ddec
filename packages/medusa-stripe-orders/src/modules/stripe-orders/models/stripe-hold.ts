import { model } from "@medusajs/framework/utils"

/** What a cart holds while its buyer pays; the units are Medusa's reservation items. */
const StripeHold = model
  .define("stripe_hold", {
    /** the cart's */
    id: model.text().primaryKey(),
    customer_id: model.text().nullable(),
    /** of the buyer's address, which is not stored */
    ip_hash: model.text().nullable(),
    /** `[{ line_item_id, quantity }]` */
    lines: model.json(),
    reservation_ids: model.array(),
    held_since: model.dateTime(),
    /** until when the buyer was told that it is held */
    expires_at: model.dateTime(),
    /** when it may be given back */
    kept_until: model.dateTime(),
    /** when Medusa's own cart completion began to make an order of it */
    claimed_at: model.dateTime().nullable(),
  })
  .indexes([
    { on: ["kept_until"] },
    { on: ["customer_id"], where: "customer_id IS NOT NULL" },
    { on: ["ip_hash"], where: "ip_hash IS NOT NULL" },
  ])

export default StripeHold
