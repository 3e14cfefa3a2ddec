import type Stripe from "stripe"
import type { Account } from "./account.js"
import { expireAuthorization } from "./resources/captures.js"
import { expireSession } from "./resources/checkout-expiry.js"
import { closeDispute, type DisputeEnd, escalateDispute, reviewDispute } from "./resources/dispute-flow.js"
import {
  cancelRefund,
  failRefund,
  type RefundFailure,
  returnRefund,
  settleRefund,
} from "./resources/refund-flow.js"
import { failSlowPayment, settle } from "./resources/slow-payments.js"
import type { PaymentFailure } from "./resources/test-accounts.js"

/** What banks do and time brings, days later and without the shop. Each call answers the object as it is then. */
export class Bank {
  constructor(
    readonly account: Account,
    readonly changed: () => void,
  ) {}

  /**
   * Ends a slow payment as its test account is made to: most succeed, `pm_usBankAccount_accountClosed` and its like
   * fail, `pm_disputed_de` succeeds and is disputed, `pm_usBankAccount_processing` stays as it is. An unpaid voucher
   * is paid by it.
   */
  settlePayment(id: string): Stripe.PaymentIntent {
    return this.#change(this.#intent(id), (intent) => settle(this.account, intent))
  }

  /** Fails a slow payment, for every test account; an unpaid voucher expires. */
  failPayment(id: string, failure?: PaymentFailure): Stripe.PaymentIntent {
    return this.#change(this.#intent(id), (intent) => failSlowPayment(this.account, intent, failure))
  }

  /** An authorisation is not captured in time; `capture_before` is not looked at: its payment intent is cancelled. */
  expireAuthorization(id: string): Stripe.PaymentIntent {
    return this.#change(this.#intent(id), (intent) => expireAuthorization(this.account, intent))
  }

  /** An open checkout session expires before its time. */
  expireCheckout(id: string): Stripe.Checkout.Session {
    const session = this.account.store.checkout_sessions.need(id, "session")
    return this.#change(session, (session) => expireSession(this.account, session))
  }

  /** A refund arrives: `pending` becomes `succeeded`; one that has succeeded gets the reference to trace it by. */
  settleRefund(id: string): Stripe.Refund {
    return this.#change(this.#refund(id), (refund) => settleRefund(this.account, refund))
  }

  /** A refund fails, also one that has succeeded long ago: the money is the shop's again. */
  failRefund(id: string, reason: RefundFailure = "expired_or_canceled_card"): Stripe.Refund {
    return this.#change(this.#refund(id), (refund) => failRefund(this.account, refund, reason))
  }

  /** The bank sends a refund back, and Stripe asks the buyer for bank details: `requires_action`. */
  returnRefund(id: string): Stripe.Refund {
    return this.#change(this.#refund(id), (refund) => returnRefund(this.account, refund))
  }

  /** The shop cancels a refund in Stripe's Dashboard; only there can a card's be cancelled. */
  cancelRefund(id: string): Stripe.Refund {
    return this.#change(this.#refund(id), (refund) => cancelRefund(this.account, refund))
  }

  /** The bank turns an inquiry into a dispute, and takes the money. */
  escalateDispute(id: string): Stripe.Dispute {
    return this.#change(this.#dispute(id), (dispute) => escalateDispute(this.account, dispute))
  }

  /** The bank looks into a dispute. */
  reviewDispute(id: string): Stripe.Dispute {
    return this.#change(this.#dispute(id), (dispute) => reviewDispute(this.account, dispute))
  }

  /** The bank decides: for the shop ("won", also after "lost"), against it, or drops an inquiry. */
  closeDispute(id: string, end: DisputeEnd): Stripe.Dispute {
    return this.#change(this.#dispute(id), (dispute) => closeDispute(this.account, dispute, end))
  }

  #dispute(id: string): Stripe.Dispute {
    return this.account.store.disputes.need(id, "dispute")
  }

  #refund(id: string): Stripe.Refund {
    return this.account.store.refunds.need(id, "refund")
  }

  #intent(id: string): Stripe.PaymentIntent {
    return this.account.store.payment_intents.need(id, "intent")
  }

  #change<T>(object: T, work: (object: T) => void): T {
    work(object)
    this.changed()
    return structuredClone(object)
  }
}
