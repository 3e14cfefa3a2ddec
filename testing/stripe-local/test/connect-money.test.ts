import type Stripe from "stripe"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { type ConnectedAccount, type StripeLocal, startStripeLocal } from "../src/index.js"
import { refusal } from "./refusal.js"

let local: StripeLocal
let stripe: Stripe
let seller: ConnectedAccount

beforeEach(async () => {
  local = await startStripeLocal()
  stripe = local.client()
  seller = local.connectAccount()
})
afterEach(() => local.close())

const card = { amount: 2000, currency: "usd", payment_method: "pm_card_visa", confirm: true } as const
const types = (events = local.events) => events.map(({ type }) => type)

async function pay(more: Partial<Stripe.PaymentIntentCreateParams> = {}) {
  const { id } = await stripe.paymentIntents.create({
    ...card,
    application_fee_amount: 300,
    on_behalf_of: seller.id,
    transfer_data: { destination: seller.id },
    ...more,
  })
  return stripe.paymentIntents.retrieve(id, {
    expand: ["latest_charge.transfer", "latest_charge.application_fee"],
  })
}

function moneyOf(intent: Stripe.PaymentIntent) {
  const charge = intent.latest_charge as Stripe.Charge
  return {
    charge,
    transfer: charge.transfer as Stripe.Transfer,
    fee: charge.application_fee as Stripe.ApplicationFee,
  }
}

describe("a destination charge", () => {
  it("passes the money on and takes the platform's fee", async () => {
    const intent = await pay()
    expect(intent).toMatchObject({
      application_fee_amount: 300,
      on_behalf_of: seller.id,
      transfer_data: { destination: seller.id },
    })
    const { charge, transfer, fee } = moneyOf(intent)
    expect(charge).toMatchObject({ application_fee_amount: 300, transfer_data: { destination: seller.id } })
    expect(transfer).toMatchObject({
      object: "transfer",
      amount: 2000,
      amount_reversed: 0,
      reversed: false,
      destination: seller.id,
      source_transaction: charge.id,
    })
    expect(fee).toMatchObject({
      object: "application_fee",
      account: seller.id,
      amount: 300,
      charge: transfer.destination_payment,
      originating_transaction: charge.id,
    })
    const payment = await stripe.charges.retrieve(
      String(transfer.destination_payment),
      {},
      { stripeAccount: seller.id },
    )
    expect(payment).toMatchObject({ amount: 2000, source_transfer: transfer.id, application_fee: fee.id })
    expect(types()).toEqual([
      "payment_intent.created",
      "transfer.created",
      "application_fee.created",
      "charge.succeeded",
      "payment_intent.succeeded",
    ])
  })

  it("may pass on an amount of its own, without a fee", async () => {
    const transfer_data = { destination: seller.id, amount: 1700 }
    const { transfer, fee } = moneyOf(await pay({ application_fee_amount: undefined, transfer_data }))
    expect([transfer.amount, fee]).toEqual([1700, null])
  })

  it("passes on what was captured, when it is captured", async () => {
    const { id, latest_charge } = await pay({ capture_method: "manual" })
    expect(latest_charge).toMatchObject({ transfer: null, application_fee: null })
    await stripe.paymentIntents.capture(id, { amount_to_capture: 1500, application_fee_amount: 200 })
    const [transfer] = (await stripe.transfers.list({ destination: seller.id })).data
    expect(transfer?.amount).toBe(1500)
    const charge = String((latest_charge as Stripe.Charge).id)
    expect((await stripe.applicationFees.list({ charge })).data[0]?.amount).toBe(200)
  })

  it("by debit passes it on when the bank has paid", async () => {
    const sepa = { currency: "eur", payment_method: "pm_success_de" }
    const { id } = await pay(sepa)
    expect((await stripe.transfers.list()).data).toEqual([])
    local.bank.settlePayment(id)
    expect((await stripe.transfers.list()).data).toHaveLength(1)
  })

  it("to an unknown account, or with a fee that has no recipient, is refused", async () => {
    expect(await refusal(pay({ transfer_data: { destination: "acct_none" } }))).toMatchObject({
      code: "resource_missing",
      param: "transfer_data[destination]",
    })
    expect(await refusal(pay({ on_behalf_of: "acct_none" }))).toMatchObject({ param: "on_behalf_of" })
    expect(await refusal(pay({ transfer_data: undefined }))).toMatchObject({
      param: "application_fee_amount",
    })
  })
})

describe("a refund", () => {
  it("leaves transfer and fee alone unless told otherwise", async () => {
    const intent = await pay()
    const refund = await stripe.refunds.create({ payment_intent: intent.id })
    expect(refund.transfer_reversal).toBeNull()
    const { transfer, fee } = moneyOf(intent)
    expect((await stripe.transfers.retrieve(transfer.id)).amount_reversed).toBe(0)
    expect((await stripe.applicationFees.retrieve(fee.id)).amount_refunded).toBe(0)
  })

  it("takes back its part of both, and the last one the rest", async () => {
    const intent = await pay({ amount: 1000, application_fee_amount: 333 })
    const { charge, transfer, fee } = moneyOf(intent)
    const refund = (amount?: number) =>
      stripe.refunds.create({
        payment_intent: intent.id,
        amount,
        reverse_transfer: true,
        refund_application_fee: true,
        expand: ["transfer_reversal"],
      })
    const first = await refund(500)
    expect(first.transfer_reversal).toMatchObject({
      object: "transfer_reversal",
      amount: 500,
      transfer: transfer.id,
      source_refund: first.id,
    })
    expect(await stripe.transfers.retrieve(transfer.id)).toMatchObject({
      amount_reversed: 500,
      reversed: false,
    })
    expect(await stripe.applicationFees.retrieve(fee.id)).toMatchObject({
      amount_refunded: 167,
      refunded: false,
    })
    expect(types().slice(-4)).toEqual([
      "transfer.reversed",
      "application_fee.refunded",
      "refund.created",
      "charge.refunded",
    ])
    await refund()
    expect(await stripe.transfers.retrieve(transfer.id)).toMatchObject({
      amount_reversed: 1000,
      reversed: true,
    })
    expect(await stripe.applicationFees.retrieve(fee.id)).toMatchObject({
      amount_refunded: 333,
      refunded: true,
    })
    const inIt = { stripeAccount: seller.id }
    const payment = await stripe.charges.retrieve(String(transfer.destination_payment), {}, inIt)
    expect(payment).toMatchObject({ amount_refunded: 1000, refunded: true })
    expect((await stripe.transfers.listReversals(transfer.id)).data).toHaveLength(2)
    expect((await stripe.applicationFees.listRefunds(fee.id)).data.map(({ amount }) => amount)).toEqual([
      166, 167,
    ])
    expect(charge.refunded).toBe(false)
  })

  it("in thirds leaves no cent of the fee behind", async () => {
    const intent = await pay({ amount: 1000, application_fee_amount: 100 })
    for (const amount of [333, 333, 334]) {
      await stripe.refunds.create({ payment_intent: intent.id, amount, refund_application_fee: true })
    }
    const refunds = await stripe.applicationFees.listRefunds(moneyOf(intent).fee.id)
    expect(refunds.data.map(({ amount }) => amount)).toEqual([34, 33, 33])
  })

  it("of a payment that gave nothing away has nothing to take back", async () => {
    const { id } = await stripe.paymentIntents.create(card)
    const refund = (more: Stripe.RefundCreateParams) => stripe.refunds.create({ payment_intent: id, ...more })
    expect(await refusal(refund({ reverse_transfer: true }))).toMatchObject({ param: "reverse_transfer" })
    expect(await refusal(refund({ refund_application_fee: true }))).toMatchObject({
      param: "refund_application_fee",
    })
    expect((await refund({})).status).toBe("succeeded")
  })
})

it("transfers and fees are given back by themselves, too, up to what is left", async () => {
  const { transfer, fee } = moneyOf(await pay())
  const reversal = await stripe.transfers.createReversal(transfer.id, { amount: 1500 })
  expect(reversal).toMatchObject({ amount: 1500, source_refund: null })
  expect(await refusal(stripe.transfers.createReversal(transfer.id, { amount: 501 }))).toMatchObject({
    param: "amount",
  })
  await stripe.transfers.createReversal(transfer.id, { refund_application_fee: true })
  expect(await refusal(stripe.transfers.createReversal(transfer.id))).toMatchObject({ statusCode: 400 })
  expect((await stripe.applicationFees.retrieve(fee.id)).refunded).toBe(true)
})

it("a direct charge pays the platform's fee", async () => {
  const inIt = { stripeAccount: seller.id }
  const intent = await stripe.paymentIntents.create({ ...card, application_fee_amount: 250 }, inIt)
  const [fee] = (await stripe.applicationFees.list()).data
  expect(fee).toMatchObject({ account: seller.id, amount: 250, charge: intent.latest_charge })
  expect(types()).toEqual(["application_fee.created"])
  await stripe.refunds.create({ payment_intent: intent.id, refund_application_fee: true }, inIt)
  expect((await stripe.applicationFees.retrieve(fee?.id ?? "")).refunded).toBe(true)
  expect(types(seller.events).slice(-2)).toEqual(["refund.created", "charge.refunded"])
})
