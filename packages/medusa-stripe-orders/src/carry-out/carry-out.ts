import { applyOutcomes, type Outcome } from "../payments/payments"
import type { ClaimedPayment } from "../payments/queue"
import type { PaymentState } from "../payments/states"
import { announce } from "./announce"
import { capture } from "./capture"
import { completeInMedusa } from "./complete-cart"
import { type CarryOut, failure, onAccount } from "./context"
import { lookUp } from "./look-up"
import { recordMovedMoney } from "./money-moved"
import { refundOrCancel, refundRest } from "./refund"

/**
 * The slow part: what follows a decision, each payment on its own. Each act is resumed from the payment's row and never
 * repeated: Stripe is asked with an idempotency key, and its answer is written under the claim that asked.
 */
type Act = (work: CarryOut, payment: ClaimedPayment) => Promise<Outcome | null>

/** What is carried out in each state that has something to carry out. Null: the act has written its outcome itself. */
const ACTS: Partial<Record<PaymentState, Act>> = {
  lookup: lookUp,
  awaiting_payment: lookUp,
  completing: completeInMedusa,
  ordered: (work, payment) =>
    isAnnouncedNext(work, payment) ? announce(work, [payment]) : capture(work, payment),
  awaiting_capture: capture,
  refunding: refundOrCancel,
  refunding_rest: refundRest,
  money_moved: recordMovedMoney,
}

/** Whether the order only lacks its announcement. */
function isAnnouncedNext({ plugin }: CarryOut, { captured_at }: ClaimedPayment): boolean {
  return captured_at !== null || plugin.options.capture === "by_shop"
}

/** Carries out what is next for one payment; a failure is its outcome too. */
export async function carryOut(work: CarryOut, payment: ClaimedPayment): Promise<void> {
  const act = ACTS[payment.status] as Act
  const own = onAccount(work, payment.account)
  const outcome = await act(own, payment).catch((error: Error) => failure(own, payment, error))
  if (outcome) {
    await applyOutcomes(work.db, work.actor, [outcome])
  }
}
