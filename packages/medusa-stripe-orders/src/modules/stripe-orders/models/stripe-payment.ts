import { model } from "@medusajs/framework/utils"
import { PAYMENT_STATUSES } from "../ledger"

/**
 * What became of each payment intent; the row that makes an order exactly-once. A lock serialises, this row
 * remembers.
 *
 * It is the unit of work too: an event does not say what to do, it says "look at this payment again"
 * (`revision` + 1, `due_at` now). So it does not matter how often, how late or in which order events come.
 */
const StripePayment = model
  .define("stripe_payment", {
    id: model.text().primaryKey(),
    status: model.enum([...PAYMENT_STATUSES]).default("pending"),
    reason: model.text().nullable(),
    order_id: model.text().nullable(),
    cart_id: model.text().nullable(),
    payment_id: model.text().nullable(),
    arrival: model.autoincrement(),
    revision: model.number().default(0),
    due_at: model.dateTime().nullable(),
    claimed_by: model.text().nullable(),
    claimed_until: model.dateTime().nullable(),
    attempts: model.number().default(0),
    last_error: model.text().nullable(),
    captured_at: model.dateTime().nullable(),
    placed_at: model.dateTime().nullable(),
  })
  .indexes([
    { on: ["due_at"], where: "due_at IS NOT NULL" },
    { on: ["order_id"], unique: true, where: "order_id IS NOT NULL" },
    { on: ["status"] },
  ])

export default StripePayment
