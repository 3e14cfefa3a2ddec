import { model } from "@medusajs/framework/utils"

/** What happened to a payment, line by line: nothing of it is ever overwritten. */
const StripeTimeline = model
  .define("stripe_timeline", {
    id: model.autoincrement().primaryKey(),
    payment_intent_id: model.text(),
    /** the database fills it in with the present */
    at: model.dateTime().nullable(),
    kind: model.enum(["event", "attempt", "decision", "stripe_call", "action"]),
    /** Stripe, a worker, or a person's id */
    actor: model.text(),
    /** the payment's state after it */
    status: model.text(),
    text: model.text(),
    data: model.json().nullable(),
  })
  .indexes([{ on: ["payment_intent_id", "id"] }])

export default StripeTimeline
