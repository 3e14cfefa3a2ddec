import { z } from "@medusajs/framework/zod"
import { isPaymentKind, PAYMENT_KINDS, type PaymentKind } from "../../../payments/kinds"
import { isPaymentState, PAYMENT_STATES, type PaymentState } from "../../../payments/states"

// Not z.enum: Medusa tells of a wrong one that it is missing.
const status = z.custom<PaymentState>((given) => isPaymentState(String(given)), {
  error: `status must be one of ${PAYMENT_STATES.join(", ")}`,
})

const kind = z.custom<PaymentKind>((given) => isPaymentKind(String(given)), {
  error: `kind must be one of ${PAYMENT_KINDS.join(", ")}`,
})

/** `?status=review&status=pending&kind=sold_out&q=ada@shop.example&limit=50`; all of it may be left out. */
export const listStripePayments = z.strictObject({
  // One of them is no list in a query string.
  status: z.preprocess((given) => given && [given].flat(), z.array(status).optional()),
  kind: kind.optional(),
  /** an id (payment intent, charge, order, cart), an order's number, how an e-mail address begins, or how words of a name begin */
  q: z.string().trim().min(1).max(200).optional(),
  /** a part of the reason; upper and lower case are the same */
  reason: z.string().trim().min(1).max(500).optional(),
  limit: z.coerce.number().int().min(1).max(200).default(50),
  /** the `next` of the page before */
  before: z.coerce.number().int().optional(),
})

const ids = z.array(z.string().min(1)).min(1).max(1_000)
const reason = z.string("must be text").trim().min(1, "must say why").max(1_000)

/** Why nothing is left to do about a payment. */
export const dismissStripePayment = z.strictObject({ reason })

export const payments = z.strictObject({ ids })
export const paymentsWithReason = z.strictObject({ ids, reason })

export type Payments = z.output<typeof payments>
export type PaymentsWithReason = z.output<typeof paymentsWithReason>

export type DismissStripePayment = z.output<typeof dismissStripePayment>

export type ListStripePayments = z.output<typeof listStripePayments>
