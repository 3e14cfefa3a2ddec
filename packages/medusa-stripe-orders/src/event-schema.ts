import { z } from "@medusajs/framework/zod"
import { objectOf } from "./events"

/**
 * What the plugin reads of an event, and nothing else: Stripe adds fields at any time. An event that lacks one of these,
 * or has it in another form, was not made by Stripe as it is known, and is refused before it is stored.
 */

/** The year 3000: a time in milliseconds is beyond it. */
const LAST_SECOND = 32_503_680_000

const seconds = z.int("must be whole seconds since 1970").min(1).max(LAST_SECOND, {
  error: "must be seconds since 1970, not milliseconds",
})
const minorUnits = z.int("must be a whole number of minor units").min(0, "must not be negative")
const text = z.string("must be text").nullish()

const idOf = (form: RegExp, example: string) =>
  z.string(`must be an id (${example})`).regex(form, `must be an id (${example})`)
const anyId = idOf(/^[\w-]{1,255}$/, "of letters, digits and _")

/** Stripe names another object by its id, or writes it out whole. */
const reference = (id: z.ZodType) =>
  z.union([id, z.looseObject({ id })], "must be an id, or an object with one").nullish()

const envelope = z.looseObject({
  id: idOf(/^evt_[\w-]{1,251}$/, "evt_…"),
  object: z.literal("event", 'must be "event"'),
  type: z
    .string("must be text")
    .regex(/^[\x21-\x7e]{1,255}$/, "must be a name such as payment_intent.succeeded"),
  api_version: z
    .string("must be text")
    .regex(/^[\x21-\x7e]{1,64}$/, "must be a version such as 2026-10-28.endive")
    .nullish(),
  created: seconds,
  livemode: z.boolean("must be true or false"),
  account: idOf(/^acct_[\w-]{1,250}$/, "acct_…").nullish(),
  data: z.looseObject({ object: z.looseObject({}) }),
})

const intentId = idOf(/^pi_[\w-]{1,252}$/, "pi_…")

const address = z.looseObject({
  line1: text,
  line2: text,
  city: text,
  state: text,
  postal_code: text,
  country: text,
})

/** In every API version that has payment intents. */
const paymentIntent = z.looseObject({
  object: z.literal("payment_intent", 'must be "payment_intent"'),
  id: intentId,
  amount: minorUnits,
  amount_capturable: minorUnits,
  amount_received: minorUnits,
  created: seconds,
  // Three letters; Stripe's stablecoins have four.
  currency: z.string("must be a currency").regex(/^[a-z]{3,5}$/i, "must be a currency such as usd"),
  metadata: z.record(z.string(), z.string("must be text")),
  status: z.string("must be text"),
  latest_charge: reference(anyId),
  payment_method: reference(anyId),
  payment_method_types: z.array(z.string("must be text")).nullish(),
  receipt_email: text,
  shipping: z.looseObject({ name: text, phone: text, address: address.nullish() }).nullish(),
  invoice: reference(anyId),
  payment_details: z.looseObject({ order_reference: text }).nullish(),
})

/** A charge, a refund, a dispute or a checkout session: what it says of itself is not read, only whose it is. */
const ofIntent = z
  .looseObject({ object: text, payment_intent: reference(intentId) })
  .refine(({ object, id }) => object !== "checkout.session" || /^cs_[\w-]{1,252}$/.test(String(id)), {
    error: "must be an id (cs_…)",
    path: ["id"],
  })

const eventWith = { payment_intent: withObject(paymentIntent), other: withObject(ofIntent), none: envelope }

function withObject(object: z.ZodType) {
  return envelope.extend({ data: z.looseObject({ object }) })
}

/** What is wrong with the event, or null where all that is read of it is sound. Its values are not told: they may be a buyer's. */
export function faultOf(event: unknown): string | null {
  const known = envelope.safeParse(event)
  const checked = known.success ? eventWith[objectOf(known.data.type)].safeParse(event) : known
  return checked.success ? null : checked.error.issues.slice(0, MOST_FAULTS).map(describe).join("; ")
}

const MOST_FAULTS = 5

/** A key of metadata in a path may be long. */
function describe({ path, message }: z.core.$ZodIssue): string {
  const where = path.map(String).join(".").slice(0, 100)
  return where ? `${where} ${said(message)}` : `it ${said(message)}`
}

/** Zod's own words for what is missing or of another type, as the rest of the sentence. */
function said(message: string): string {
  const expected = /^Invalid input: expected (\w+)/.exec(message)?.[1]
  return expected ? `must be ${KINDS[expected] ?? expected}` : message
}

const KINDS: Record<string, string> = {
  object: "an object",
  record: "an object",
  array: "a list",
  string: "text",
}
