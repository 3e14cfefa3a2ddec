import { model } from "@medusajs/framework/utils"

/** Events for the store's bus: written in the statement of the outcome that they tell of, and removed when the bus has them. */
const StripeOutbox = model.define("stripe_outbox", {
  id: model.autoincrement().primaryKey(),
  /** the database fills it in */
  event_id: model.text().nullable(),
  /** without `stripe_payment.` */
  name: model.text(),
  payment_intent_id: model.text(),
  order_id: model.text().nullable(),
  reason: model.text().nullable(),
})

export default StripeOutbox
