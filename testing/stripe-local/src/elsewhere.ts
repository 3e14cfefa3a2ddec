import type Stripe from "stripe"
import type { Account } from "./account.js"
import { newId } from "./ids.js"
import { confirm } from "./resources/payment-flow.js"
import { createIntent } from "./resources/payment-intents.js"
import { terminalCard, usePaymentMethod } from "./resources/payment-methods.js"

export interface ElsewherePayment {
  amount: number
  currency: string
  customer?: string
  metadata?: Stripe.Metadata
}

export interface InvoicePayment extends ElsewherePayment {
  /** "pm_card_visa" unless given. */
  paymentMethod?: string
  /** The invoice is a subscription's first one. */
  subscription?: boolean
}

export interface TerminalPayment extends ElsewherePayment {
  /** Authorise only. */
  manual?: boolean
}

/** Payments in the same Stripe account that the shop did not begin, and must tell from its own. */
export class Elsewhere {
  constructor(
    readonly account: Account,
    readonly changed: () => void,
  ) {}

  /**
   * Pays an invoice, as Stripe's billing does. Since 2025-03-31.basil a payment intent has no `invoice`. That of an
   * invoice names it in `payment_details.order_reference`: so do the objects of Stripe that Zulip's tests have
   * recorded, and others report it of 2026-08-26.dahlia. `GET /v1/invoice_payments` finds it by the payment intent.
   * `beforeBasil` gives the older form.
   */
  payInvoice(given: InvoicePayment): Stripe.PaymentIntent {
    const { paymentMethod = "pm_card_visa", subscription = false, ...payment } = given
    return this.#do(() => {
      const invoice = newId("in")
      const intent = createIntent(this.account, {
        ...payment,
        description: subscription ? "Subscription creation" : "Payment for Invoice",
        payment_details: { customer_reference: null, order_reference: invoice },
        payment_method_types: ["card"],
        setup_future_usage: subscription ? "off_session" : undefined,
      })
      this.#recordInvoicePayment(intent, invoice)
      confirm(this.account, intent, usePaymentMethod(this.account, paymentMethod))
      this.#settleInvoicePayment(intent)
      return intent
    })
  }

  /** Pays at a card reader (Terminal): `card_present`. */
  payAtTerminal(given: TerminalPayment): Stripe.PaymentIntent {
    const { manual = false, ...payment } = given
    return this.#do(() => {
      const intent = createIntent(this.account, {
        ...payment,
        capture_method: manual ? "manual" : "automatic",
        payment_method_types: ["card_present"],
      })
      confirm(this.account, intent, terminalCard(this.account))
      return intent
    })
  }

  #do(work: () => Stripe.PaymentIntent): Stripe.PaymentIntent {
    try {
      return structuredClone(work())
    } finally {
      this.changed()
    }
  }

  #recordInvoicePayment(intent: Stripe.PaymentIntent, invoice: string): void {
    this.account.store.invoice_payments.add({
      id: newId("inpay"),
      object: "invoice_payment",
      amount_paid: null,
      amount_requested: intent.amount,
      created: this.account.now(),
      currency: intent.currency,
      invoice,
      is_default: true,
      livemode: false,
      payment: { type: "payment_intent", payment_intent: intent.id },
      status: "open",
      status_transitions: { canceled_at: null, paid_at: null },
    })
  }

  #settleInvoicePayment(intent: Stripe.PaymentIntent): void {
    if (intent.status !== "succeeded") return
    for (const payment of this.account.store.invoice_payments) {
      if (payment.payment.payment_intent !== intent.id) continue
      payment.status = "paid"
      payment.amount_paid = intent.amount
      payment.status_transitions.paid_at = this.account.now()
      this.account.emit("invoice_payment.paid", payment)
    }
  }
}

/** What the two objects had up to 2025-02-24.acacia. */
type Acacia = { object: string; invoice?: string | null; shipping_details?: unknown } & Partial<
  Pick<Stripe.PaymentIntent, "payment_details"> & Pick<Stripe.Checkout.Session, "collected_information">
>

/**
 * A delivery policy's `rewrite` for an endpoint of an older version: up to 2025-02-24.acacia, the payment intent of an
 * invoice names it in `invoice`, and every other has `invoice: null`; a checkout session has `shipping_details` itself.
 */
export function beforeBasil(event: Stripe.Event): Stripe.Event {
  const object = event.data.object as unknown as Acacia
  if (object.object === "payment_intent") {
    const { order_reference } = object.payment_details ?? {}
    object.invoice = order_reference?.startsWith("in_") ? order_reference : null
    delete object.payment_details
  }
  if (object.object === "checkout.session") {
    object.shipping_details = object.collected_information?.shipping_details ?? null
  }
  return { ...event, api_version: "2025-02-24.acacia" }
}
