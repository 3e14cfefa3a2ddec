import type Stripe from "stripe"
import type { Account } from "../account.js"
import type { Api } from "../api.js"
import { refused } from "../errors.js"
import { newId } from "../ids.js"
import { created, page, paging } from "../pages.js"
import { mergeMetadata, metadata, oneOf, positive, text } from "../params.js"

interface NewRefund {
  amount: number
  reason?: Stripe.Refund.Reason | null
  metadata?: Stripe.Metadata
}

/** Refunds `amount` of a charge. As in Stripe, the release of an authorisation is a refund too. */
export function recordRefund(account: Account, charge: Stripe.Charge, refund: NewRefund): Stripe.Refund {
  charge.amount_refunded += refund.amount
  charge.refunded = charge.amount_refunded === charge.amount
  return account.store.refunds.add({
    id: newId("re"),
    object: "refund",
    amount: refund.amount,
    balance_transaction: charge.captured ? newId("txn") : null,
    charge: charge.id,
    created: account.now(),
    currency: charge.currency,
    customer: charge.customer,
    customer_account: null,
    // An authorisation that was never captured is reversed, not paid back.
    destination_details: { card: { type: charge.captured ? "refund" : "reversal" }, type: "card" },
    metadata: refund.metadata ?? {},
    payment_intent: charge.payment_intent,
    payment_method: charge.payment_method,
    reason: refund.reason ?? null,
    receipt_number: null,
    source_transfer_reversal: null,
    status: "succeeded",
    transfer_reversal: null,
  })
}

/** Applies Stripe's rules to a requested refund; `amount` defaults to the unrefunded rest. */
export function refund(account: Account, charge: Stripe.Charge, given: Partial<NewRefund>): Stripe.Refund {
  const left = charge.amount - charge.amount_refunded
  if (charge.disputed) {
    throw refused(`Charge ${charge.id} has been charged back; cannot issue a refund.`, {
      code: "charge_disputed",
    })
  }
  if (left === 0) {
    throw refused(`Charge ${charge.id} has already been refunded.`, { code: "charge_already_refunded" })
  }
  const amount = given.amount ?? left
  if (amount > left) {
    const limit = charge.amount_refunded === 0 ? "charge amount" : "unrefunded amount on charge"
    const { currency } = charge
    throw refused(
      `Refund amount (${money(amount, currency)}) is greater than ${limit} (${money(left, currency)})`,
      { param: "amount" },
    )
  }
  const made = recordRefund(account, charge, { ...given, amount })
  account.emit("refund.created", made)
  account.emit("charge.refunded", charge)
  return made
}

function money(minorUnits: number, currency: string): string {
  const format = new Intl.NumberFormat("en-US", { style: "currency", currency })
  return format.format(minorUnits / 10 ** (format.resolvedOptions().maximumFractionDigits ?? 2))
}

export function refunds(api: Api, account: Account): void {
  const { charges, payment_intents, refunds } = account.store

  const creation = {
    amount: positive,
    charge: text,
    payment_intent: text,
    reason: oneOf("duplicate", "fraudulent", "requested_by_customer"),
    metadata,
  }
  api.post("/v1/refunds", creation, ({ charge, payment_intent, metadata, ...rest }) => {
    const paid = findCharge({ charge, payment_intent })
    return refund(account, paid, { ...rest, metadata: mergeMetadata({}, metadata) })
  })

  api.get("/v1/refunds/:id", {}, (_, id) => refunds.need(id))

  api.post("/v1/refunds/:id", { metadata }, (change, id) => {
    const refund = refunds.need(id)
    refund.metadata = mergeMetadata(refund.metadata ?? {}, change.metadata)
    account.emit("refund.updated", refund)
    return refund
  })

  const query = { ...paging, created, charge: text, payment_intent: text }
  api.get("/v1/refunds", query, (query) =>
    page(
      refunds,
      "/v1/refunds",
      query,
      (refund) =>
        query.created(refund.created) &&
        (!query.charge || refund.charge === query.charge) &&
        (!query.payment_intent || refund.payment_intent === query.payment_intent),
    ),
  )

  function findCharge(of: { charge?: string | null; payment_intent?: string | null }): Stripe.Charge {
    if (of.charge) return refundable(charges.need(of.charge, "charge", 400))
    if (!of.payment_intent) {
      throw refused(
        "One of the following params should be provided for this request: payment_intent or charge.",
      )
    }
    const intent = payment_intents.need(of.payment_intent, "payment_intent", 400)
    const charge = charges.get(String(intent.latest_charge))
    if (!charge) throw nothingToRefund(intent.id)
    return refundable(charge)
  }
}

function refundable(charge: Stripe.Charge): Stripe.Charge {
  if (charge.status !== "succeeded" || !charge.captured) throw nothingToRefund(String(charge.payment_intent))
  return charge
}

function nothingToRefund(intent: string) {
  return refused(`This PaymentIntent (${intent}) does not have a successful charge to refund.`)
}
