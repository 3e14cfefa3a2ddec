import type { BuyersPayment } from "../medusa/buyers-payments"
import { isSessionId } from "../order-draft/checkout-session"
import { answerFor, type BuyerStatus } from "../payments/buyer-answers"
import { isSecretOf } from "../payments/client-secret"

/** A payment as its buyer's page shows it. Nothing in it is personal. */
export interface PaymentForBuyer {
  /** the payment intent's */
  id: string
  status: BuyerStatus
  order: { id: string; display_id: number } | null
  /** for the buyer */
  message: string
}

/** Who asks about which payment. Of a Checkout Session the id is the secret too. */
export interface BuyersQuestion {
  /** the payment intent's, or the Checkout Session's */
  id: string
  client_secret: string
}

/** Null where the secret is another payment's: as if there were no such payment. */
export function paymentForBuyer(
  row: BuyersPayment | undefined,
  { id: asked, client_secret }: BuyersQuestion,
): PaymentForBuyer | null {
  const hash = isSessionId(asked) ? row?.session_hash : row?.client_secret_hash
  if (!isSecretOf(hash, client_secret) || !row) {
    return null
  }
  const { id, order_id, display_id } = row
  const order = order_id && display_id !== null ? { id: order_id, display_id } : null
  return { id, order, ...answerFor(row) }
}
