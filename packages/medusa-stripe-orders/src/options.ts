import { MedusaError } from "@medusajs/framework/utils"
import { z } from "@medusajs/framework/zod"
import Stripe from "stripe"
import { WHEN_OUT_OF_STOCK } from "./decide/out-of-stock"

const NO_SECRET = "is missing; copy the endpoint's signing secret (whsec_…) from Stripe's dashboard"
const NO_KEY = "is missing; copy the secret key (sk_…) from Stripe's dashboard"

/** An environment variable that is copied with its line's end is the commonest fault of all. */
const unspoiled = z.string().regex(/^\S*$/, "has a space or a line's end in it: copy it again")

const secret = unspoiled
  .startsWith("whsec_", "must begin with whsec_: it is the endpoint's signing secret, not the API key")
  .regex(/^whsec_[^,;]/, "must be a whole signing secret (whsec_…)")
  .regex(/^[^,;]*$/, 'names several in one text: give a list, ["whsec_…", "whsec_…"]')

const seconds = ({ least, most }: { least: number; most: number }) =>
  z
    .number({ error: "must be seconds" })
    .positive("must be more than 0 seconds")
    .min(least, `must be at least ${least} seconds`)
    .max(most, `must be at most ${most} seconds`)

/** The official client refuses what it doesn't know; it says so here, with the option's name. */
const clientConfig = z
  .record(z.string(), z.unknown(), { error: "must be an object" })
  .superRefine((config, context) => {
    try {
      new Stripe("sk_test_none", config)
    } catch (error) {
      context.addIssue({
        code: "custom",
        message: `the official client refuses it: ${(error as Error).message}`,
      })
    }
  })

/** Days; null means without limit. */
const days = (byDefault: number | null) =>
  z
    .union([z.number().int().min(0).max(36_500), z.literal("forever")], {
      error: 'must be whole days, or "forever"',
    })
    .transform((given) => (given === "forever" || given === 0 ? null : given))
    .default(byDefault)

const FETCH_EVERY = "must be seconds, from 1 to a day; 0 never fetches events"

const PROXIES = "must be how many proxies stand before Medusa, 0 to 10"

const count = z
  .number({ error: "must be a whole number; 0 is without limit" })
  .int("must be a whole number; 0 is without limit")
  .min(0, "must be a whole number; 0 is without limit")

/** Stock that is held while the buyer pays. Times are seconds. */
const holdOptions = z
  .strictObject(
    {
      duration: seconds({ least: 1, most: 86_400 }).default(900),
      longest: seconds({ least: 1, most: 604_800 }).default(3_600),
      grace: z
        .number({ error: "must be seconds, at most an hour" })
        .min(0, "must be seconds, at most an hour")
        .max(3_600, "must be seconds, at most an hour")
        .default(60),
      unitsPerCart: count.default(50),
      linesPerCart: count.default(50),
      perCustomer: count.default(3),
      perIp: count.default(20),
      proxies: z.number({ error: PROXIES }).int(PROXIES).min(0, PROXIES).max(10, PROXIES).default(1),
    },
    {
      error: ({ code }) =>
        code === "unrecognized_keys" ? undefined : "must be false, or an object such as { duration: 900 }",
    },
  )
  .refine(({ duration, longest }) => longest >= duration, {
    error: "must not be shorter than duration",
    path: ["longest"],
  })

/** A union would only say that neither of the two is given. */
const hold = z
  .custom<false | z.input<typeof holdOptions> | undefined>()
  .transform((given, context): false | z.output<typeof holdOptions> => {
    const parsed = holdOptions.safeParse(given === undefined ? {} : given)
    if (given === false || parsed.success) {
      return given === false ? given : (parsed.data as z.output<typeof holdOptions>)
    }
    for (const { path, message } of parsed.error.issues) {
      context.addIssue({ code: "custom", path, message })
    }
    return z.NEVER
  })

const schema = z.strictObject({
  apiKey: z
    .string({ error: NO_KEY })
    .min(1, NO_KEY)
    .regex(/^(sk|rk)_./, "must begin with sk_ (secret key) or rk_ (restricted key)")
    .pipe(unspoiled),
  webhookSecrets: z
    .custom<string | string[]>((given) => given !== undefined && given !== "", NO_SECRET)
    .transform((given) => [given].flat())
    .pipe(
      z
        .array(z.string("must be one signing secret (whsec_…) or a list of them").pipe(secret))
        .min(1, "needs at least one signing secret"),
    ),
  lockKey: z
    .enum(["payment_intent", "cart", "both"], { error: 'must be "payment_intent", "cart" or "both"' })
    .default("payment_intent"),
  /**
   * `"decrement"` lowers what is stocked and makes no reservation. Medusa can't know that: the stock of a canceled order does
   * not come back, an edit of the order takes it a second time, and the order can't be fulfilled.
   */
  stock: z.enum(["reserve", "decrement"], { error: 'must be "reserve" or "decrement"' }).default("reserve"),
  whenOutOfStock: z
    .enum(WHEN_OUT_OF_STOCK, { error: `must be ${WHEN_OUT_OF_STOCK.map((one) => `"${one}"`).join(", ")}` })
    .default("refund"),
  capture: z
    .enum(["after_stock", "by_shop"], { error: 'must be "after_stock" or "by_shop"' })
    .default("after_stock"),
  billingAddress: z.enum(["shipping", "card"], { error: 'must be "shipping" or "card"' }).default("shipping"),
  paidTwice: z.enum(["review", "refund"], { error: 'must be "review" or "refund"' }).default("review"),
  orderWithoutMoney: z.enum(["keep", "cancel"], { error: 'must be "keep" or "cancel"' }).default("keep"),
  lock: z
    .strictObject(
      {
        timeout: seconds({ least: 0.1, most: 600 }).default(30),
        ttl: seconds({ least: 1, most: 86_400 }).default(120),
      },
      { error: "must be an object such as { timeout: 30, ttl: 120 }" },
    )
    .prefault({}),
  paymentProvider: z
    .string({ error: "must be a payment provider's id" })
    .regex(/^pp_[\w-]+$/, "must be a payment provider's id such as pp_stripe_stripe")
    .default("pp_stripe_stripe"),
  unknownPayments: z.enum(["review", "ignore"], { error: 'must be "review" or "ignore"' }).default("review"),
  accounts: z
    .array(
      z
        .string({ error: "must be a connected account's id" })
        .regex(/^acct_\w+$/, "must be a connected account's id such as acct_…"),
      { error: "must be a list of connected accounts (acct_…)" },
    )
    .default([]),
  maxAttempts: z
    .number({ error: "must be a whole number" })
    .int("must be a whole number")
    .min(1, "must be at least 1")
    .default(20),
  fetchEventsEvery: z
    .number({ error: FETCH_EVERY })
    .min(0, FETCH_EVERY)
    .max(86_400, FETCH_EVERY)
    .refine((seconds) => seconds === 0 || seconds >= 1, FETCH_EVERY)
    .default(300),
  hold,
  retention: z.strictObject({ events: days(90), timeline: days(null) }).prefault({}),
  stripe: clientConfig.default({}),
})

/** What a store writes in `medusa-config.ts`. */
export type StripeOrdersOptions = z.input<typeof schema>

/** The same with every default filled in. */
export type ResolvedOptions = z.output<typeof schema>

/**
 * @throws MedusaError of type `invalid_data` that names each option that is wrong. The values themselves are
 * left out of the message, since some of them are secrets.
 */
export function parseOptions(options: unknown): ResolvedOptions {
  // Medusa adds its own connection to every module's options.
  const { database, ...own } = (options ?? {}) as Record<string, unknown>
  const parsed = schema.safeParse(own)
  if (parsed.success) {
    return parsed.data
  }
  const faults = parsed.error.issues.map((issue) => `  ${describe(issue)}`)
  throw new MedusaError(
    MedusaError.Types.INVALID_DATA,
    `@holdfast/medusa-stripe-orders: the plugin's options in medusa-config.ts are invalid:\n${faults.join("\n")}`,
  )
}

function describe(issue: z.core.$ZodIssue): string {
  if (issue.code === "unrecognized_keys") {
    const unknown = issue.keys.map((key) => [...issue.path, key].join(".")).join(", ")
    const known = issue.path.length === 0 ? `; there are ${Object.keys(schema.shape).join(", ")}` : ""
    return `${unknown}: no such option${known}`
  }
  return `${issue.path.join(".") || "options"}: ${issue.message}`
}
