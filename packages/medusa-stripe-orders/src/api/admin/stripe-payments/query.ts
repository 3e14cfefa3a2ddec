import { z } from "@medusajs/framework/zod"
import { PAYMENT_STATUSES, type PaymentStatus } from "../../../modules/stripe-orders/ledger"

// Not z.enum: Medusa tells of a wrong one that it is missing.
const status = z.custom<PaymentStatus>((given) => PAYMENT_STATUSES.includes(given as PaymentStatus), {
  error: `status must be one of ${PAYMENT_STATUSES.join(", ")}`,
})

/** `?status=review&status=pending&limit=50&offset=0`; all of it may be left out. */
export const listStripePayments = z.strictObject({
  // One of them is no list in a query string.
  status: z.preprocess((given) => given && [given].flat(), z.array(status).optional()),
  limit: z.coerce.number().int().min(1).max(200).default(50),
  offset: z.coerce.number().int().min(0).default(0),
})

export type ListStripePayments = z.output<typeof listStripePayments>
