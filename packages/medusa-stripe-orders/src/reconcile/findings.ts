import type Stripe from "stripe"
import { standingOf } from "../decide/standing"
import { formatMinorUnits } from "../order-draft/amounts"
import type { PaymentState } from "../payments/states"
import { chargeOf, releasedOf } from "../stripe-objects"

/** How a payment stands here; sums are minor units. */
export interface KnownPayment {
  status: PaymentState
  order_id: string | null
  /** what the order shows, where it has a payment */
  shown: { captured: number; refunded: number; isDisputed: boolean } | null
}

/** Where Stripe and the store don't agree about a payment. */
export interface Disagreement {
  text: string
  /** the state from which the worker sets it right; null where a person has to */
  to: PaymentState | null
}

/**
 * Whether Stripe and the store agree about a payment: one rule for each state in which no worker acts on it. A payment
 * that a worker acts on, or that waits for a person, is not compared.
 */
export function disagreementOf(
  intent: Stripe.PaymentIntent,
  known: KnownPayment | undefined,
): Disagreement | null {
  if (!known) {
    return unknown(intent)
  }
  return RULES[known.status]?.(intent, known) ?? null
}

type Rule = (intent: Stripe.PaymentIntent, known: KnownPayment) => Disagreement | null

const RULES: Partial<Record<PaymentState, Rule>> = {
  awaiting_payment: paidAfterAll,
  void: paidAfterAll,
  awaiting_capture: ({ status }, { order_id }) =>
    status === "requires_capture"
      ? null
      : { text: `is ${status} in Stripe, and order ${order_id} awaits its capture`, to: "awaiting_capture" },
  completed: orderShowsOtherwise,
  refunded: (intent) =>
    keptOf(intent) > 0
      ? { text: `was refunded, but Stripe still holds ${money(keptOf(intent), intent)}`, to: "refunding" }
      : null,
  canceled: (intent) =>
    intent.status === "requires_capture" || keptOf(intent) > 0
      ? { text: `was canceled, but is ${intent.status} in Stripe: refund or cancel it there`, to: null }
      : null,
}

/** The money of a slow method is on its way: Medusa may have made the order already. */
function unknown(intent: Stripe.PaymentIntent): Disagreement | null {
  const standing = standingOf(intent)
  if (standing.kind === "paid") {
    return {
      text: `paid ${money(standing.payment.amount, intent)} in Stripe, and was unknown here`,
      to: "pending",
    }
  }
  return intent.status === "processing"
    ? { text: "is processing in Stripe, and was unknown here", to: "pending" }
    : null
}

function paidAfterAll(intent: Stripe.PaymentIntent, { status }: KnownPayment): Disagreement | null {
  const standing = standingOf(intent)
  return standing.kind === "paid"
    ? {
        text: `paid ${money(standing.payment.amount, intent)} in Stripe, and was ${status} here`,
        to: "pending",
      }
    : null
}

function orderShowsOtherwise(
  intent: Stripe.PaymentIntent,
  { order_id, shown }: KnownPayment,
): Disagreement | null {
  const found = (text: string): Disagreement => ({ text, to: "money_moved" })
  const charge = chargeOf(intent)
  const refunded = charge?.amount_refunded ?? 0
  if (intent.status !== "succeeded") {
    return found(`is ${intent.status} in Stripe, and order ${order_id} shows it as paid`)
  }
  if (!shown) {
    return null
  }
  if (intent.amount_received !== shown.captured) {
    const [stripe, order] = [intent.amount_received, shown.captured].map((minor) => money(minor, intent))
    return found(`Stripe captured ${stripe}, and order ${order_id} shows ${order}`)
  }
  if (![refunded, refunded - releasedOf(charge)].includes(shown.refunded)) {
    const [stripe, order] = [refunded, shown.refunded].map((minor) => money(minor, intent))
    return found(`Stripe refunded ${stripe}, and order ${order_id} shows ${order}`)
  }
  return charge?.disputed && !shown.isDisputed
    ? found(`is disputed in Stripe, and order ${order_id} doesn't show it`)
    : null
}

/** What was captured and not given back. */
function keptOf(intent: Stripe.PaymentIntent): number {
  return intent.amount_received - (chargeOf(intent)?.amount_refunded ?? 0)
}

function money(minor: number, { currency }: Stripe.PaymentIntent): string {
  return formatMinorUnits(minor, currency)
}
