import type Stripe from "stripe"
import type { Account } from "../account.js"
import type { Api } from "../api.js"
import { refused } from "../errors.js"
import { created, page, paging } from "../pages.js"
import { boolean, mergeMetadata, metadata, oneOf, positive, text } from "../params.js"
import { barsRefunds } from "./dispute-flow.js"
import {
  cancelRefund,
  changed,
  failRefund,
  type NewRefund,
  recordRefund,
  refundableOf,
} from "./refund-flow.js"
import { checkSharesBack, type SharesBack, takeSharesBack } from "./shares-back.js"
import { outcomeOf } from "./test-cards.js"

/** Applies Stripe's rules to a requested refund; `amount` defaults to the unrefunded rest. */
export function refund(
  account: Account,
  charge: Stripe.Charge,
  given: Partial<NewRefund> & SharesBack,
): Stripe.Refund {
  const left = refundableOf(account, charge) - charge.amount_refunded
  if (barsRefunds(account, charge)) {
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
  checkSharesBack(charge, given)
  const made = recordRefund(account, charge, { ...given, amount, status: firstStatus(account, charge) })
  takeSharesBack(account, charge, made, given)
  account.emit("refund.created", made)
  account.emit("charge.refunded", charge)
  return made
}

/**
 * A card's refund succeeds at once, unless the test card is made to wait; a debit's is under way for days. Stripe asks
 * the payer of a Boleto for bank details (docs.stripe.com/refunds), and gives nothing back to that of an OXXO.
 */
function firstStatus(account: Account, charge: Stripe.Charge): NewRefund["status"] {
  const type = charge.payment_method_details?.type
  if (type === "oxxo") throw refused(`Charge ${charge.id} can't be refunded: OXXO has no refunds.`)
  if (type === "boleto") return "requires_action"
  if (type === "sepa_debit" || type === "us_bank_account") return "pending"
  const method = account.store.payment_methods.get(String(charge.payment_method))
  return outcomeOf(method?.card?.last4).kind === "refundPends" ? "pending" : "succeeded"
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
    instructions_email: text,
    payment_intent: text,
    reason: oneOf("duplicate", "fraudulent", "requested_by_customer"),
    metadata,
    refund_application_fee: boolean,
    reverse_transfer: boolean,
  }
  api.post("/v1/refunds", creation, ({ charge, payment_intent, metadata, ...rest }) => {
    const paid = findCharge({ charge, payment_intent })
    return refund(account, paid, { ...rest, metadata: mergeMetadata({}, metadata) })
  })

  api.get("/v1/refunds/:id", {}, (_, id) => refunds.need(id))

  api.post("/v1/refunds/:id", { metadata }, (change, id) => {
    const refund = refunds.need(id)
    const before = structuredClone(refund)
    refund.metadata = mergeMetadata(refund.metadata ?? {}, change.metadata)
    account.emit("refund.updated", refund, changed(before, refund))
    account.emit("charge.refund.updated", refund, changed(before, refund))
    return refund
  })

  api.post("/v1/refunds/:id/cancel", {}, (_, id) => {
    const refund = refunds.need(id)
    // A card's refund can be cancelled in the Dashboard only, says Stripe: `bank.cancelRefund` stands in for it.
    if (refund.status !== "requires_action") throw refused("Canceling this refund is unsupported.")
    cancelRefund(account, refund)
    return refund
  })

  api.post("/v1/test_helpers/refunds/:id/expire", {}, (_, id) => {
    const refund = refunds.need(id)
    if (refund.status !== "requires_action") {
      throw refused(`Refund ${id} has a status of ${refund.status} and can't expire.`)
    }
    failRefund(account, refund, "unknown")
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
