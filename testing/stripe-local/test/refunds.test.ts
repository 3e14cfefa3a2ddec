import type Stripe from "stripe"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { type StripeLocal, startStripeLocal } from "../src/index.js"
import { refusal } from "./refusal.js"

let local: StripeLocal
let stripe: Stripe

beforeEach(async () => {
  local = await startStripeLocal()
  stripe = local.client()
})
afterEach(() => local.close())

const pay = (payment_method: string, more: object = {}) =>
  stripe.paymentIntents.create({ amount: 2000, currency: "usd", payment_method, confirm: true, ...more })

const typesSince = (count: number) => local.events.slice(count).map(({ type }) => type)
const lastEvent = () => local.events.at(-1) as Stripe.Event

async function refundOf(payment_method: string, params: Stripe.RefundCreateParams = {}) {
  const { id, latest_charge } = await pay(payment_method)
  const refund = await stripe.refunds.create({ payment_intent: id, ...params })
  return { id, refund, charge: () => stripe.charges.retrieve(String(latest_charge)) }
}

async function boletoRefund(params: Stripe.RefundCreateParams = {}) {
  const billing_details = { email: "ana@example.com" }
  const boleto = { tax_id: "00000000000" }
  const { id } = await stripe.paymentMethods.create({ type: "boleto", boleto, billing_details })
  const intent = await pay(id, { currency: "brl" })
  local.bank.settlePayment(intent.id)
  return stripe.refunds.create({ payment_intent: intent.id, ...params })
}

describe("a refund that takes its time", () => {
  it("is pending, and counts, until the bank has it", async () => {
    const { id, refund, charge } = await refundOf("pm_card_pendingRefund")
    expect(refund).toMatchObject({
      status: "pending",
      pending_reason: "processing",
      balance_transaction: null,
    })
    expect(typesSince(3)).toEqual(["refund.created", "charge.refunded"])
    expect(await charge()).toMatchObject({ amount_refunded: 2000, refunded: true })
    expect(await refusal(stripe.refunds.create({ payment_intent: id }))).toMatchObject({
      code: "charge_already_refunded",
    })

    const settled = local.bank.settleRefund(refund.id)
    expect(settled).toMatchObject({
      status: "succeeded",
      destination_details: { card: { reference_status: "available", type: "refund" } },
    })
    expect(settled).not.toHaveProperty("pending_reason")
    expect(settled.balance_transaction).toMatch(/^txn_/)
    expect(typesSince(5)).toEqual(["refund.updated", "charge.refund.updated"])
    expect(lastEvent().data.previous_attributes).toMatchObject({
      status: "pending",
      pending_reason: "processing",
      balance_transaction: null,
    })
    expect(await charge()).toMatchObject({ amount_refunded: 2000, refunded: true })
  })

  it("may fail, and then the money is the shop's again", async () => {
    const { id, refund, charge } = await refundOf("pm_card_pendingRefund", { amount: 500 })
    const failed = local.bank.failRefund(refund.id, "insufficient_funds")
    expect(failed).toMatchObject({ status: "failed", failure_reason: "insufficient_funds" })
    expect(failed).not.toHaveProperty("failure_balance_transaction")
    expect(typesSince(5)).toEqual(["refund.failed", "charge.refund.updated"])
    expect(await charge()).toMatchObject({ amount_refunded: 0, refunded: false })
    expect((await stripe.refunds.create({ payment_intent: id })).amount).toBe(2000)
  })

  it("of a debit is another kind of object", async () => {
    const intent = await pay("pm_success_de", { currency: "eur" })
    local.bank.settlePayment(intent.id)
    const refund = await stripe.refunds.create({ payment_intent: intent.id })
    expect([refund.id.slice(0, 4), refund.status]).toEqual(["pyr_", "pending"])
    expect(refund).not.toHaveProperty("destination_details")
  })
})

describe("a refund that has succeeded", () => {
  it("may fail days later", async () => {
    const { refund, charge } = await refundOf("pm_card_refundFail")
    expect(refund).toMatchObject({ status: "succeeded" })
    expect(await charge()).toMatchObject({ amount_refunded: 2000, refunded: true })

    const failed = local.bank.failRefund(refund.id)
    expect(failed).toMatchObject({ status: "failed", failure_reason: "expired_or_canceled_card" })
    expect(failed.failure_balance_transaction).toMatch(/^txn_/)
    expect(failed.failure_balance_transaction).not.toBe(failed.balance_transaction)
    expect(await stripe.refunds.retrieve(refund.id)).toEqual(failed)
    expect(typesSince(5)).toEqual(["refund.failed", "charge.refund.updated"])
    expect(lastEvent().data.previous_attributes).toEqual({
      status: "succeeded",
      failure_reason: null,
      failure_balance_transaction: null,
    })
    expect(await charge()).toMatchObject({ amount_refunded: 0, refunded: false })
  })

  it("of a part leaves the other part when it fails", async () => {
    const { id, refund, charge } = await refundOf("pm_card_visa", { amount: 500 })
    await stripe.refunds.create({ payment_intent: id })
    expect((await charge()).refunded).toBe(true)
    local.bank.failRefund(refund.id)
    expect(await charge()).toMatchObject({ amount_refunded: 1500, refunded: false })
  })

  it("fails once", async () => {
    const { refund, charge } = await refundOf("pm_card_visa")
    local.bank.failRefund(refund.id)
    for (const again of [local.bank.failRefund, local.bank.settleRefund, local.bank.cancelRefund]) {
      expect(() => again.call(local.bank, refund.id)).toThrow("has a status of failed")
    }
    expect((await charge()).amount_refunded).toBe(0)
  })

  it("gets the reference to trace it by later", async () => {
    const { refund } = await refundOf("pm_card_visa")
    expect(refund.destination_details?.card).toMatchObject({ reference_status: "pending" })
    const traced = local.bank.settleRefund(refund.id)
    expect(traced.destination_details?.card?.reference_status).toBe("available")
    expect(typesSince(5)).toEqual(["refund.updated", "charge.refund.updated"])
  })
})

describe("a refund that needs the buyer's bank details", () => {
  it("goes on when the buyer has given them, and back when they are wrong", async () => {
    const refund = await boletoRefund()
    expect(refund).toMatchObject({
      status: "requires_action",
      next_action: {
        type: "display_details",
        display_details: { email_sent: { email_sent_to: "ana@example.com" } },
      },
    })
    expect(local.buyer.acceptRefund(refund.id).status).toBe("pending")
    expect(local.bank.returnRefund(refund.id)).toMatchObject({
      status: "requires_action",
      next_action: { type: "display_details" },
    })
    local.buyer.acceptRefund(refund.id)
    const settled = local.bank.settleRefund(refund.id)
    expect(settled.status).toBe("succeeded")
    expect(settled).not.toHaveProperty("next_action")
  })

  it("asks where the shop says", async () => {
    const refund = await boletoRefund({ instructions_email: "other@example.com" })
    expect(refund.next_action?.display_details?.email_sent.email_sent_to).toBe("other@example.com")
  })

  it("can be cancelled by the shop", async () => {
    const refund = await boletoRefund()
    const canceled = await stripe.refunds.cancel(refund.id)
    expect(canceled).toMatchObject({ status: "canceled", failure_reason: "merchant_request" })
    expect((await stripe.charges.retrieve(String(refund.charge))).amount_refunded).toBe(0)
    expect(typesSince(local.events.length - 2)).toEqual(["refund.updated", "charge.refund.updated"])
  })

  it("expires without them", async () => {
    const refund = await boletoRefund()
    expect((await stripe.testHelpers.refunds.expire(refund.id)).status).toBe("failed")
  })
})

it("a card's refund is cancelled in the Dashboard only", async () => {
  const { refund, charge } = await refundOf("pm_card_pendingRefund")
  const error = await refusal(stripe.refunds.cancel(refund.id))
  expect(error.message).toBe("Canceling this refund is unsupported.")
  expect(local.bank.cancelRefund(refund.id).status).toBe("canceled")
  expect((await charge()).amount_refunded).toBe(0)
})

it("an OXXO has no refunds", async () => {
  const { id } = await pay((await stripe.paymentMethods.create({ type: "oxxo", oxxo: {} })).id, {
    currency: "mxn",
  })
  local.bank.settlePayment(id)
  expect((await refusal(stripe.refunds.create({ payment_intent: id }))).message).toContain("OXXO")
})

it("a dispute fails the refund that was under way", async () => {
  const { id, refund } = await refundOf("pm_card_pendingRefund", { amount: 500 })
  local.buyer.dispute(id)
  expect(await stripe.refunds.retrieve(refund.id)).toMatchObject({
    status: "failed",
    failure_reason: "charge_for_pending_refund_disputed",
  })
})

it("an update says what it has changed", async () => {
  const { refund } = await refundOf("pm_card_visa")
  await stripe.refunds.update(refund.id, { metadata: { order: "2" } })
  expect(typesSince(5)).toEqual(["refund.updated", "charge.refund.updated"])
  expect(lastEvent().data.previous_attributes).toEqual({ metadata: {} })
})
