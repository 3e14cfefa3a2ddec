import { hasFailed, isPending } from "../stripe-objects"

/** A refund as Medusa has it; amounts are minor units. */
export interface MedusaRefund {
  id: string
  amount: number
  /** Stripe's refund that it is known to be */
  stripe_refund_id: string | null
  /** Was taken off the order again, because it failed in Stripe. */
  is_removed: boolean
}

/** A refund as Stripe has it; amounts are minor units. */
export interface StripeRefund {
  id: string
  amount: number
  status: string | null
}

export interface RefundMatch {
  /** Made in Stripe: the order doesn't show them yet. */
  missing: StripeRefund[]
  /** The order shows them; from now on it is known which of Stripe's each is. */
  found: { id: string; stripe_refund_id: string }[]
  /** The order shows them, and they failed in Stripe. */
  failed: { refund: MedusaRefund; stripe: StripeRefund }[]
  /** Neither done nor failed yet. */
  pending: StripeRefund[]
}

/**
 * Tells which of Stripe's refunds an order shows. Medusa gives its refunds no name that Stripe keeps, so one that isn't
 * known yet is taken to be the refund of the same amount: one that succeeded first, then one that is pending, then one
 * that failed.
 */
export function matchRefunds(medusa: MedusaRefund[], stripe: StripeRefund[]): RefundMatch {
  const result: RefundMatch = { missing: [], found: [], failed: [], pending: stripe.filter(isPending) }
  const known = new Map(
    medusa.flatMap((refund) => (refund.stripe_refund_id ? [[refund.stripe_refund_id, refund]] : [])),
  )
  const unknown = medusa.filter(({ stripe_refund_id, is_removed }) => !stripe_refund_id && !is_removed)
  for (const refund of [...stripe].sort((a, b) => rank(a) - rank(b))) {
    const own = known.get(refund.id) ?? takeEqual(unknown, refund)
    if (own && !own.stripe_refund_id) {
      result.found.push({ id: own.id, stripe_refund_id: refund.id })
    }
    if (own && !own.is_removed && hasFailed(refund)) {
      result.failed.push({ refund: own, stripe: refund })
    } else if (refund.status === "succeeded" && (!own || own.is_removed)) {
      result.missing.push(refund)
    }
  }
  return result
}

function takeEqual(refunds: MedusaRefund[], { amount }: StripeRefund): MedusaRefund | undefined {
  const index = refunds.findIndex((refund) => refund.amount === amount)
  return index < 0 ? undefined : refunds.splice(index, 1)[0]
}

/** https://docs.stripe.com/api/refunds/object#refund_object-status */
function rank({ status }: StripeRefund): number {
  return ["succeeded", "pending", "requires_action"].indexOf(status ?? "") + 1 || 4
}
