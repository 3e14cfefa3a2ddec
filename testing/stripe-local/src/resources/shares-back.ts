import type Stripe from "stripe"
import type { Account } from "../account.js"
import { refused } from "../errors.js"
import { newId } from "../ids.js"
import type { Collection } from "../store.js"

type Charge = Stripe.Charge
type Fee = Stripe.ApplicationFee
type Transfer = Stripe.Transfer

/** Takes `amount` of a transfer back from the connected account. */
export function reverseTransfer(
  account: Account,
  transfer: Transfer,
  given: { amount?: number; metadata?: Stripe.Metadata; refund?: Stripe.Refund } = {},
): Stripe.TransferReversal {
  const amount = rest(transfer.id, transfer.amount - transfer.amount_reversed, given.amount)
  const reversal = account.store.transfer_reversals.add({
    id: newId("trr"),
    object: "transfer_reversal",
    amount,
    balance_transaction: newId("txn"),
    created: account.now(),
    currency: transfer.currency,
    destination_payment_refund: newId("pyr"),
    metadata: given.metadata ?? {},
    source_refund: given.refund?.id ?? null,
    transfer: transfer.id,
  })
  transfer.amount_reversed += amount
  transfer.reversed = transfer.amount_reversed === transfer.amount
  transfer.reversals.data.unshift(reversal)
  const payment = account.connected
    ?.get(String(transfer.destination))
    ?.store.charges.get(String(transfer.destination_payment))
  if (payment) {
    payment.amount_refunded += amount
    payment.refunded = payment.amount_refunded === payment.amount
  }
  account.emit("transfer.reversed", transfer)
  return reversal
}

/** Gives `amount` of a fee back to the connected account. */
export function refundFee(
  platform: Account,
  fee: Fee,
  given: { amount?: number; metadata?: Stripe.Metadata } = {},
): Stripe.FeeRefund {
  const amount = rest(fee.id, fee.amount - fee.amount_refunded, given.amount)
  const refund = platform.store.fee_refunds.add({
    id: newId("fr"),
    object: "fee_refund",
    amount,
    balance_transaction: newId("txn"),
    created: platform.now(),
    currency: fee.currency,
    fee: fee.id,
    metadata: given.metadata ?? {},
  })
  fee.amount_refunded += amount
  fee.refunded = fee.amount_refunded === fee.amount
  fee.refunds.data.unshift(refund)
  platform.emit("application_fee.refunded", fee)
  return refund
}

function rest(id: string, left: number, amount = left): number {
  if (left === 0) throw refused(`${id} has already been given back in full.`)
  if (amount > left) throw refused(`Only ${left} of ${id} is left to give back.`, { param: "amount" })
  return amount
}

export interface SharesBack {
  reverse_transfer?: boolean
  refund_application_fee?: boolean
}

/** Refuses a refund that wants back what was never given. */
export function checkSharesBack(charge: Charge, given: SharesBack): void {
  if (given.reverse_transfer && !charge.transfer) {
    throw refused(
      `Cannot reverse transfer for charge ${charge.id} because it does not have an associated transfer.`,
      { param: "reverse_transfer" },
    )
  }
  if (given.refund_application_fee && !charge.application_fee) {
    throw refused(`Charge ${charge.id} has no application fee to refund.`, {
      param: "refund_application_fee",
    })
  }
}

/** After a refund: "proportional to the amount of the charge refunded", says Stripe of both. */
export function takeSharesBack(
  account: Account,
  charge: Charge,
  refund: Stripe.Refund,
  given: SharesBack,
): void {
  const share = refund.amount / charge.amount_captured
  const platform = account.connection?.platform ?? account
  const { application_fees, transfers } = platform.store
  if (given.reverse_transfer) {
    const transfer = need(transfers, charge.transfer)
    const amount = part(transfer.amount, transfer.amount_reversed, share, charge.refunded)
    if (amount > 0) refund.transfer_reversal = reverseTransfer(account, transfer, { amount, refund }).id
  }
  if (given.refund_application_fee) {
    const fee = need(application_fees, charge.application_fee)
    const amount = part(fee.amount, fee.amount_refunded, share, charge.refunded)
    if (amount > 0) refundFee(platform, fee, { amount })
  }
}

/** The last refund takes the rest, so that rounding leaves nothing behind. */
function part(whole: number, taken: number, share: number, last: boolean): number {
  const left = whole - taken
  return last ? left : Math.min(left, Math.round(whole * share))
}

function need<T extends { id: string }>(of: Collection<T>, id: unknown): T {
  return of.need(String(id))
}
