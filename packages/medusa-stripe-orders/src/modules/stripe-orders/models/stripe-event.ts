import { model } from "@medusajs/framework/utils"

/**
 * The inbox: one row per Stripe event, written before Stripe is told 200 and kept.
 *
 * `revision` is the payment's revision at which the event arrived: a step that began at or after that revision has
 * seen what the event tells, and settles it.
 */
const StripeEvent = model
  .define("stripe_event", {
    id: model.text().primaryKey(),
    type: model.text(),
    api_version: model.text().nullable(),
    livemode: model.boolean(),
    created: model.dateTime(),
    payment_intent_id: model.text().nullable(),
    revision: model.number().nullable(),
    status: model.enum(["pending", "settled", "ignored"]),
    deliveries: model.number().default(1),
    settled_at: model.dateTime().nullable(),
    /** what Stripe signed, without the client's secret: text, for JSON of Postgres holds less than JSON may. Null where it was pruned. */
    payload: model.text().nullable(),
  })
  .indexes([
    { on: ["payment_intent_id"], where: "payment_intent_id IS NOT NULL" },
    { on: ["created_at"], where: "payload IS NOT NULL" },
  ])

export default StripeEvent
