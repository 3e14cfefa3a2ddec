import { model } from "@medusajs/framework/utils"

/**
 * What became of each payment intent; the row that makes an order exactly-once. A lock serialises, this row
 * remembers.
 *
 * It is the unit of work too: an event does not say what to do, it says "look at this payment again"
 * (`revision` + 1, `due_at` now). So it does not matter how often, how late or in which order events come.
 */
const StripePayment = model
  .define("stripe_payment", {
    /** the payment intent's */
    id: model.text().primaryKey(),
    /** one of `payments/states.ts` */
    status: model.text().default("pending"),
    reason: model.text().nullable(),
    /** the state of a person's verdict that an event has interrupted, and its reason */
    resume_to: model.text().nullable(),
    resume_reason: model.text().nullable(),
    /** what the store's event bus was last told of it, with the reason */
    told: model.text().nullable(),
    order_id: model.text().nullable(),
    cart_id: model.text().nullable(),
    payment_id: model.text().nullable(),

    // What a person searches by, as Stripe and the order tell it.
    /** minor units; a bigint in the database */
    amount: model.float().nullable(),
    currency: model.text().nullable(),
    email: model.text().nullable(),
    name: model.text().nullable(),
    /** when Stripe made the payment intent */
    created: model.dateTime().nullable(),
    livemode: model.boolean().nullable(),
    account: model.text().nullable(),
    payment_method: model.text().nullable(),
    payment_method_type: model.text().nullable(),
    latest_charge: model.text().nullable(),
    /** SHA-256, by which a buyer asks about the payment */
    client_secret_hash: model.text().nullable(),
    /** SHA-256 of its Checkout Session's id, by which a buyer of Stripe's Checkout asks */
    session_hash: model.text().nullable(),

    arrival: model.autoincrement(),
    revision: model.number().default(0),
    // Both are never null: the database fills them in with the present, so a row made by hand is due too.
    status_since: model.dateTime().nullable(),
    /** counts in a state that has an actor */
    due_at: model.dateTime().nullable(),
    claim: model.text().nullable(),
    claimed_by: model.text().nullable(),
    claimed_until: model.dateTime().nullable(),
    attempts: model.number().default(0),
    last_error: model.text().nullable(),
    /** a person decided that it becomes an order though it is not in stock */
    backorders: model.boolean().default(false),
    captured_at: model.dateTime().nullable(),
    /** minor units: what the order comes to, where it was made of a part of what was paid for; a bigint in the database */
    order_amount: model.float().nullable(),
    placed_at: model.dateTime().nullable(),
    /** the payment intent as Stripe last answered it, JSON */
    snapshot: model.text().nullable(),
    snapshot_at: model.dateTime().nullable(),
    /** the payment's revision when Stripe was asked */
    snapshot_revision: model.number().nullable(),
    /** its Checkout Session with the line items, JSON */
    checkout: model.text().nullable(),
  })
  .indexes([
    { on: ["status", "arrival"] },
    { on: ["status", "due_at"] },
    { on: ["arrival"] },
    { on: ["order_id"], where: "order_id IS NOT NULL" },
    { on: ["snapshot_at"], where: "snapshot IS NOT NULL" },
    { on: ["claim"], where: "claim IS NOT NULL" },
    { on: ["session_hash"], where: "session_hash IS NOT NULL" },
  ])

export default StripePayment
