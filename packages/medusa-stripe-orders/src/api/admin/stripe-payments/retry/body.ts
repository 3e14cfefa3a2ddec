import { z } from "@medusajs/framework/zod"
import { type PaymentState, statesOf } from "../../../../payments/states"

const retried = statesOf("person")

const status = z.custom<PaymentState>((given) => retried.some((state) => state === given), {
  error: `status must be one of ${retried.join(", ")}: only what waits for a person is taken up again`,
})

/** `{ ids: ["pi_…"] }`, or all of a kind: `{ status: "review", reason: "out of range" }`. */
export const retryStripePayments = z
  .strictObject({
    ids: z.array(z.string().min(1)).min(1).max(1_000).optional(),
    status: status.optional(),
    /** a part of the reason; upper and lower case are the same */
    reason: z.string().trim().min(1).max(500).optional(),
  })
  .refine(
    ({ ids, status, reason }) => (ids === undefined) === (status !== undefined || reason !== undefined),
    {
      error: "give either ids, or status and a part of the reason",
    },
  )

export type RetryStripePayments = z.output<typeof retryStripePayments>
