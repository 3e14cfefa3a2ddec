import type Stripe from "stripe"
import type { Account } from "./account.js"
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

  /** Fails a slow payment, whatever its test account; an unpaid voucher expires. */
  failPayment(id: string, failure?: PaymentFailure): Stripe.PaymentIntent {
    return this.#change(this.#intent(id), (intent) => failSlowPayment(this.account, intent, failure))
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
