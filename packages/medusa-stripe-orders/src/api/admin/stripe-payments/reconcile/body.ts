import { z } from "@medusajs/framework/zod"
import { dateFrom } from "../../../../dates"

const DAY_MS = 86_400_000

/** A longer span takes longer than a request may: the command has no limit. */
const LONGEST_DAYS = 31

// Not z.date: Medusa tells of a wrong one which type it expected, and not what is wrong.
const date = (name: string) =>
  z
    .custom<string>((given) => typeof given === "string" && dateFrom(given) !== null, {
      error: `${name} must be a date that exists, such as 2026-11-01`,
    })
    .transform((given) => new Date(given))

/** `{ since: "2026-11-01", until: "2026-11-08T12:00:00Z" }`; until is the present where it is left out. */
export const reconcileStripePayments = z
  .strictObject({
    since: date("since"),
    until: date("until").optional(),
  })
  .transform(({ since, until = new Date() }) => ({ since, until }))
  .refine(({ since, until }) => since < until, { error: "since must be before until" })
  .refine(({ since, until }) => until.getTime() - since.getTime() <= LONGEST_DAYS * DAY_MS, {
    error: `at most ${LONGEST_DAYS} days at once: for more use the command`,
  })

export type ReconcileStripePayments = z.output<typeof reconcileStripePayments>
