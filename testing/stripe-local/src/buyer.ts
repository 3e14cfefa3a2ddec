import type Stripe from "stripe"
import type { Account } from "./account.js"
import { refused } from "./errors.js"
import { createCustomer } from "./resources/customers.js"
import { type NewDispute, openDispute } from "./resources/dispute-flow.js"
import { authenticate, confirm } from "./resources/payment-flow.js"
import { createIntent } from "./resources/payment-intents.js"
import { usePaymentMethod } from "./resources/payment-methods.js"
import { acceptBankDetails } from "./resources/refund-flow.js"
import { payVoucher } from "./resources/slow-payments.js"

type Session = Stripe.Checkout.Session

/** What the buyer fills in on the checkout page. */
export interface CheckoutForm {
  /** "pm_card_visa" unless given. */
  paymentMethod?: string
  email?: string
  name?: string
  phone?: string
  address?: Partial<Stripe.Address>
  shipping?: { name: string; address: Partial<Stripe.Address>; phone?: string }
}

const NO_ADDRESS: Stripe.Address = {
  city: null,
  country: null,
  line1: null,
  line2: null,
  postal_code: null,
  state: null,
}

/** What the buyer does in the browser, on Stripe's pages, without the shop. */
export class Buyer {
  constructor(
    readonly account: Account,
    readonly changed: () => void,
  ) {}

  /**
   * Fills in and pays an open checkout session: makes its payment intent and emits
   * `checkout.session.completed`. Throws `ApiError` where the card is declined (the session stays open for
   * another try) or the session isn't open.
   */
  completeCheckout(id: string, form: CheckoutForm = {}): Session {
    const session = this.account.store.checkout_sessions.need(id, "session")
    if (session.status !== "open") throw refused(`This Checkout Session is ${session.status}.`)
    try {
      this.#fillIn(session, form)
      const intent = this.#pay(session, form)
      session.status = "complete"
      session.url = null
      session.payment_status = intent.status === "succeeded" ? "paid" : "unpaid"
      this.account.emit("checkout.session.completed", session)
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

  #fillIn(session: Session, form: CheckoutForm): void {
    const email = form.email ?? session.customer_email ?? "buyer@example.com"
    const { name = "Test Buyer", phone = null } = form
    session.customer_details = {
      address: { ...NO_ADDRESS, ...form.address },
      business_name: null,
      email,
      individual_name: null,
      name,
      phone,
      tax_exempt: "none",
      tax_ids: [],
    }
    if (form.shipping) {
      const { name, address } = form.shipping
      const shipping_details = { name, address: { ...NO_ADDRESS, ...address } }
      session.collected_information = { business_name: null, individual_name: null, shipping_details }
    }
    if (session.customer_creation === "always" && !session.customer) {
      session.customer = createCustomer(this.account, { email, name, phone }).id
    }
  }

  #pay(session: Session, form: CheckoutForm): Stripe.PaymentIntent {
    const { account } = this
    const intent = this.#intentOf(session)
    const method = usePaymentMethod(account, form.paymentMethod ?? "pm_card_visa")
    const { address, email, name, phone } =
      session.customer_details as Stripe.Checkout.Session.CustomerDetails
    Object.assign(method.billing_details, { address, email, name, phone })
    if (form.shipping) {
      const { phone = null, ...rest } = form.shipping
      intent.shipping = {
        carrier: null,
        phone,
        tracking_number: null,
        ...rest,
        address: { ...NO_ADDRESS, ...rest.address },
      }
    }
    confirm(account, intent, method)
    if (intent.next_action?.type === "redirect_to_url") authenticate(account, intent, true)
    return intent
  }

  /** Made by the first attempt to pay, as Stripe does, and kept over declined ones. */
  #intentOf(session: Session): Stripe.PaymentIntent {
    const { payment_intents, session_lines } = this.account.store
    const known = payment_intents.get(String(session.payment_intent))
    if (known) return known
    const intent = createIntent(this.account, {
      ...session_lines.get(session.id)?.payment,
      amount: session.amount_total ?? 0,
      currency: String(session.currency),
      customer: session.customer as string | null,
    })
    session.payment_intent = intent.id
    return intent
  }
}
