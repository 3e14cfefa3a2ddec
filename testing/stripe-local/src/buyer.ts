import type Stripe from "stripe"
import type { Account } from "./account.js"
import { answersTo, type CheckoutForm } from "./checkout-form.js"
import { refused } from "./errors.js"
import { expireDueSessions } from "./resources/checkout-expiry.js"
import { choose, complete, identify } from "./resources/checkout-flow.js"
import { type NewDispute, openDispute } from "./resources/dispute-flow.js"
import { authenticate } from "./resources/payment-flow.js"
import { openLink, refuseBeyondLimit } from "./resources/payment-link-flow.js"
import { acceptBankDetails } from "./resources/refund-flow.js"
import { payVoucher } from "./resources/slow-payments.js"

type Session = Stripe.Checkout.Session

/** What the buyer does in the browser, on Stripe's pages, without the shop. */
export class Buyer {
  constructor(
    readonly account: Account,
    readonly changed: () => void,
  ) {}

  /**
   * Opens a payment link by its id or its URL, which may end in `?client_reference_id=…`: a checkout session that
   * `completeCheckout` then pays. Throws where the link is not active.
   */
  openPaymentLink(link: string): Session {
    const session = openLink(this.account, this.#linkOf(link), new URLSearchParams(link.split("?")[1]))
    this.changed()
    return structuredClone(session)
  }

  #linkOf(given: string): Stripe.PaymentLink {
    const [address = ""] = given.split("?")
    for (const link of this.account.store.payment_links) if (link.url === address) return link
    return this.account.store.payment_links.need(address, "payment_link")
  }

  /**
   * Fills in and pays an open checkout session: makes its payment intent, unless it costs nothing, and emits
   * `checkout.session.completed`. Throws `ApiError` where the card is declined (the session stays open for
   * another try), the session isn't open, or the form has what the page doesn't ask for.
   */
  completeCheckout(id: string, form: CheckoutForm = {}): Session {
    expireDueSessions(this.account)
    const session = this.account.store.checkout_sessions.need(id, "session")
    if (session.status !== "open") throw refused(`This Checkout Session is ${session.status}.`)
    refuseBeyondLimit(this.account, session)
    const answers = answersTo(this.account, session, form)
    try {
      choose(this.account, session, form)
      identify(this.account, session, answers)
      complete(this.account, session, answers)
      return structuredClone(session)
    } finally {
      this.changed()
    }
  }

  /** Passes (or fails) the bank's check that a payment intent in `requires_action` waits for. */
  authenticate(id: string, outcome: "passed" | "failed" = "passed"): Stripe.PaymentIntent {
    const intent = this.account.store.payment_intents.need(id, "intent")
    authenticate(this.account, intent, outcome === "passed")
    this.changed()
    return structuredClone(intent)
  }

  /** Pays the voucher (Boleto, OXXO) that a payment intent in `requires_action` waits for: it is `processing` then. */
  payVoucher(id: string): Stripe.PaymentIntent {
    const intent = this.account.store.payment_intents.need(id, "intent")
    payVoucher(this.account, intent)
    this.changed()
    return structuredClone(intent)
  }

  /** Gives the bank details that a refund in `requires_action` asks for: it is `pending` then. */
  acceptRefund(id: string): Stripe.Refund {
    const refund = this.account.store.refunds.need(id, "refund")
    acceptBankDetails(this.account, refund)
    this.changed()
    return structuredClone(refund)
  }

  /** Disputes a payment: the bank takes it back, or only asks (`inquiry`). */
  dispute(paymentIntent: string, given: NewDispute = {}): Stripe.Dispute {
    const intent = this.account.store.payment_intents.need(paymentIntent, "intent")
    const charge = this.account.store.charges.need(String(intent.latest_charge), "charge")
    const dispute = openDispute(this.account, charge, given)
    this.changed()
    return structuredClone(dispute)
  }
}
