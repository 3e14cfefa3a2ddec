import { MedusaError } from "@medusajs/framework/utils"
import { z } from "@medusajs/framework/zod"

const secret = z
  .string({ error: "is missing; copy the endpoint's signing secret (whsec_…) from Stripe's dashboard" })
  .startsWith("whsec_", "must begin with whsec_: it is the endpoint's signing secret, not the API key")

const schema = z.strictObject({
  apiKey: z
    .string({ error: "is missing; copy the secret key (sk_…) from Stripe's dashboard" })
    .regex(/^(sk|rk)_/, "must begin with sk_ (secret key) or rk_ (restricted key)"),
  webhookSecrets: z.union(
    [secret.transform((one) => [one]), z.array(secret).min(1, "needs at least one signing secret")],
    {
      error: "must be one signing secret (whsec_…) or a list of them",
    },
  ),
  lockKey: z
    .enum(["payment_intent", "cart", "both"], { error: 'must be "payment_intent", "cart" or "both"' })
    .default("payment_intent"),
  stock: z.enum(["reserve", "decrement"], { error: 'must be "reserve" or "decrement"' }).default("reserve"),
  capture: z
    .enum(["after_stock", "by_shop"], { error: 'must be "after_stock" or "by_shop"' })
    .default("after_stock"),
  billingAddress: z.enum(["shipping", "card"], { error: 'must be "shipping" or "card"' }).default("shipping"),
  orderWithoutMoney: z.enum(["keep", "cancel"], { error: 'must be "keep" or "cancel"' }).default("keep"),
  lock: z
    .strictObject({
      timeout: z.number({ error: "must be seconds" }).positive("must be more than 0 seconds").default(30),
      ttl: z.number({ error: "must be seconds" }).positive("must be more than 0 seconds").default(120),
    })
    .prefault({}),
  paymentProvider: z
    .string({ error: "must be a payment provider's id" })
    .startsWith("pp_", "must be a payment provider's id such as pp_stripe_stripe")
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
  stripe: z.record(z.string(), z.unknown(), { error: "must be an object" }).default({}),
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
