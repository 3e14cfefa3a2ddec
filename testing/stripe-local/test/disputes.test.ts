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

const pay = (payment_method = "pm_card_visa", more: object = {}) =>
  stripe.paymentIntents.create({ amount: 2000, currency: "usd", payment_method, confirm: true, ...more })

const disputeTypes = () =>
  local.events.map(({ type }) => type).filter((type) => type.startsWith("charge.dispute"))

const refund = (id: string) => stripe.refunds.create({ payment_intent: id })
const OPENED = ["charge.dispute.created", "charge.dispute.funds_withdrawn"]

describe("a dispute", () => {
  it("that the shop answers is under review, then decided", async () => {
    const { id } = await pay()
    const dispute = local.buyer.dispute(id)
    const draft = await stripe.disputes.update(dispute.id, {
      evidence: { product_description: "A hat" },
      submit: false,
    })
    expect(draft).toMatchObject({ status: "needs_response", evidence: { product_description: "A hat" } })
    const sent = await stripe.disputes.update(dispute.id, { submit: true })
    expect(sent).toMatchObject({
      status: "under_review",
      evidence_details: { has_evidence: true, submission_count: 1, submission_method: "manual" },
    })
    expect(local.events.at(-1)?.data.previous_attributes).toMatchObject({ status: "needs_response" })
    expect(local.bank.closeDispute(dispute.id, "lost")).toMatchObject({ status: "lost" })
    expect(disputeTypes()).toEqual([
      ...OPENED,
      "charge.dispute.updated",
      "charge.dispute.updated",
      "charge.dispute.closed",
    ])
    expect(await refusal(refund(id))).toMatchObject({ code: "charge_disputed" })
  })

  it("that the shop wins gives it the money back, to refund if it likes", async () => {
    const { id, latest_charge } = await pay()
    const dispute = local.buyer.dispute(id)
    expect(local.bank.reviewDispute(dispute.id).status).toBe("under_review")
    local.bank.closeDispute(dispute.id, "won")
    expect(disputeTypes().slice(-2)).toEqual(["charge.dispute.closed", "charge.dispute.funds_reinstated"])
    expect((await stripe.charges.retrieve(String(latest_charge))).disputed).toBe(true)
    expect((await refund(id)).status).toBe("succeeded")
  })

  it("that was lost can be won late, and nothing else follows a decision", async () => {
    const { id } = local.buyer.dispute((await pay()).id)
    local.bank.closeDispute(id, "lost")
    expect(() => local.bank.closeDispute(id, "lost")).toThrow("already closed")
    expect(() => local.bank.reviewDispute(id)).toThrow("already closed")
    expect(local.bank.closeDispute(id, "won").status).toBe("won")
    expect(() => local.bank.closeDispute(id, "lost")).toThrow("already closed")
  })

  it("is lost where the shop accepts it", async () => {
    const { id } = local.buyer.dispute((await pay()).id, { amount: 500 })
    expect(await stripe.disputes.close(id)).toMatchObject({ status: "lost", amount: 500 })
  })

  it.each([
    ["winning_evidence", "won"],
    ["losing_evidence", "lost"],
  ])("is decided by the test's %s", async (uncategorized_text, status) => {
    const { id } = local.buyer.dispute((await pay()).id)
    const dispute = await stripe.disputes.update(id, { evidence: { uncategorized_text } })
    expect(dispute.status).toBe(status)
  })

  it("of a debit is lost as it comes", async () => {
    const { id } = await pay("pm_disputed_de", { currency: "eur" })
    local.bank.settlePayment(id)
    const [dispute] = (await stripe.disputes.list({ payment_intent: id })).data
    expect(dispute).toMatchObject({ status: "lost", is_charge_refundable: false })
    expect(disputeTypes()).toEqual([...OPENED, "charge.dispute.closed"])
  })
})

describe("an inquiry", () => {
  it("withdraws no money and leaves the shop free to refund", async () => {
    const { id, latest_charge } = await pay()
    const dispute = local.buyer.dispute(id, { inquiry: true })
    expect(dispute).toMatchObject({
      status: "warning_needs_response",
      is_charge_refundable: true,
      payment_method_details: { card: { case_type: "inquiry" } },
    })
    expect((await stripe.charges.retrieve(String(latest_charge))).disputed).toBe(true)
    expect((await refund(id)).status).toBe("succeeded")
    expect(local.bank.closeDispute(dispute.id, "warning_closed").status).toBe("warning_closed")
    expect(disputeTypes()).toEqual(["charge.dispute.created", "charge.dispute.closed"])
  })

  it("may become a dispute", async () => {
    const { id } = await pay()
    const inquiry = local.buyer.dispute(id, { inquiry: true })
    expect(() => local.bank.closeDispute(inquiry.id, "won")).toThrow("can't become won")
    expect((await stripe.disputes.update(inquiry.id, { submit: true })).status).toBe("warning_under_review")
    expect(local.bank.escalateDispute(inquiry.id)).toMatchObject({
      status: "needs_response",
      is_charge_refundable: false,
      payment_method_details: { card: { case_type: "chargeback" } },
    })
    expect(disputeTypes().slice(-2)).toEqual(["charge.dispute.updated", "charge.dispute.funds_withdrawn"])
    expect(await refusal(refund(id))).toMatchObject({ code: "charge_disputed" })
    expect(() => local.bank.closeDispute(inquiry.id, "warning_closed")).toThrow("can't become")
    expect(() => local.bank.escalateDispute(inquiry.id)).toThrow("no inquiry")
  })

  it("is escalated by the test's evidence", async () => {
    const inquiry = local.buyer.dispute((await pay()).id, { inquiry: true })
    const evidence = { uncategorized_text: "escalate_inquiry_evidence" }
    expect((await stripe.disputes.update(inquiry.id, { evidence })).status).toBe("needs_response")
  })
})

it.each([
  ["pm_card_createDispute", "fraudulent", "needs_response"],
  ["pm_card_createDisputeProductNotReceived", "product_not_received", "needs_response"],
  ["pm_card_createDisputeInquiry", "general", "warning_needs_response"],
])("%s is disputed by itself", async (card, reason, status) => {
  const { id } = await pay(card)
  const [dispute] = (await stripe.disputes.list({ payment_intent: id })).data
  expect(dispute).toMatchObject({ reason, status })
})
