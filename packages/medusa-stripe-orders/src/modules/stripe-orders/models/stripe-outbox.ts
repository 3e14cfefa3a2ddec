import { model } from "@medusajs/framework/utils"

/** Events for the store's bus: written in the statement of the outcome that they tell of, and removed when the bus and the store's hook have them. */
const StripeOutbox = model.define("stripe_outbox", {
  id: model.autoincrement().primaryKey(),
  /** the database fills it in */
  event_id: model.text().nullable(),
  /** without `stripe_payment.` */
  name: model.text(),
  payment_intent_id: model.text(),
  order_id: model.text().nullable(),
  reason: model.text().nullable(),
  /** when the bus took it; the store's own hook is to be asked about it */
  sent_at: model.dateTime().nullable(),
  /** of the hook, that failed */
  attempts: model.number().default(0),
  /** when the hook is asked again; the database fills it in */
  due_at: model.dateTime().nullable(),
})

export default StripeOutbox
