import type Stripe from "stripe"
import type { Account } from "../account.js"
import { badParam, refused } from "../errors.js"
import { newId } from "../ids.js"

type Charge = Stripe.Charge
type Intent = Stripe.PaymentIntent
type Fee = Stripe.ApplicationFee
type Transfer = Stripe.Transfer

/** What a payment intent says of others' shares. */
export interface Shares {
  application_fee_amount?: number
  on_behalf_of?: string | null
  transfer_data?: { destination: string; amount?: number } | null
}

/** Refuses shares that can't be paid out. */
export function checkShares(account: Account, given: Shares): void {
  const { application_fee_amount: fee, on_behalf_of, transfer_data } = given
  for (const [id, param] of [
    [transfer_data?.destination, "transfer_data[destination]"],
    [on_behalf_of, "on_behalf_of"],
  ]) {
    if (id && !account.connected?.get(id)) {
      throw refused(`No such destination: '${id}'`, { code: "resource_missing", param: param ?? "" })
    }
  }
  if (fee !== undefined && !transfer_data && !account.connection) {
    throw badParam(
      "Can only apply an application_fee_amount when the PaymentIntent is attempting a direct payment (using an OAuth key or Stripe-Account header) or destination payment (using `transfer_data[destination]`).",
      "application_fee_amount",
    )
  }
}

/**
 * The money has been taken: a destination charge passes it on at once, and the platform gets its fee. With a fee and
 * no amount of its own the transfer is the whole charge, and the fee is taken back from the connected account.
 */
export function shareOut(account: Account, intent: Intent, charge: Charge): void {
  const destination = intent.transfer_data?.destination
  if (destination) transferTo(account, intent, charge, String(destination))
  else if (account.connection && intent.application_fee_amount) {
    const { id, platform } = account.connection
    const fee = createFee(platform, { account: id, amount: intent.application_fee_amount, charge })
    Object.assign(charge, { application_fee: fee.id, application_fee_amount: fee.amount })
  }
}

function transferTo(account: Account, intent: Intent, charge: Charge, destination: string): void {
  const amount = intent.transfer_data?.amount ?? charge.amount_captured
  const transfer = account.store.transfers.add(newTransfer(account, charge, destination, amount))
  charge.transfer = transfer.id
  charge.transfer_data = { amount: intent.transfer_data?.amount ?? null, destination }
  charge.on_behalf_of = intent.on_behalf_of
  charge.transfer_group = transfer.transfer_group
  const payment = receive(account, charge, transfer, destination)
  account.emit("transfer.created", transfer)
  if (!intent.application_fee_amount) return
  const given = { account: destination, amount: intent.application_fee_amount, charge: payment }
  const fee = createFee(account, { ...given, originating: charge.id })
  for (const of of [charge, payment]) {
    Object.assign(of, { application_fee: fee.id, application_fee_amount: fee.amount })
  }
}

function newTransfer(account: Account, charge: Charge, destination: string, amount: number): Transfer {
  const id = newId("tr")
  return {
    id,
    object: "transfer",
    amount,
    amount_reversed: 0,
    balance_transaction: newId("txn"),
    created: account.now(),
    currency: charge.currency,
    description: null,
    destination,
    destination_payment: newId("py"),
    livemode: false,
    metadata: {},
    reversals: { object: "list", data: [], has_more: false, url: `/v1/transfers/${id}/reversals` },
    reversed: false,
    source_transaction: charge.id,
    source_type: "card",
    transfer_group: charge.transfer_group ?? `group_${charge.payment_intent}`,
  }
}

/** The charge that the connected account sees: a copy without the platform's customer and payment intent. */
function receive(account: Account, charge: Charge, transfer: Transfer, destination: string): Charge {
  const receiver = account.needConnected().get(destination)
  if (!receiver) throw new Error(`${destination} is not connected`)
  return receiver.store.charges.add({
    ...structuredClone(charge),
    id: String(transfer.destination_payment),
    amount: transfer.amount,
    amount_captured: transfer.amount,
    customer: null,
    metadata: {},
    payment_intent: null,
    payment_method: null,
    source_transfer: transfer.id,
    transfer: undefined,
    transfer_data: null,
    transfer_group: null,
  })
}

interface NewFee {
  account: string
  amount: number
  charge: Charge
  originating?: string
}

function createFee(platform: Account, { account, amount, charge, originating }: NewFee): Fee {
  const id = newId("fee")
  const fee = platform.store.application_fees.add({
    id,
    object: "application_fee",
    account,
    amount,
    amount_refunded: 0,
    application: "ca_local",
    balance_transaction: newId("txn"),
    charge: charge.id,
    created: platform.now(),
    currency: charge.currency,
    fee_source: { type: "charge", charge: charge.id },
    livemode: false,
    originating_transaction: originating ?? null,
    refunded: false,
    refunds: { object: "list", data: [], has_more: false, url: `/v1/application_fees/${id}/refunds` },
  })
  platform.emit("application_fee.created", fee)
  return fee
}
