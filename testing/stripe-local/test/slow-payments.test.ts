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

const types = () => local.events.map(({ type }) => type)

const CURRENCIES = { sepa_debit: "eur", us_bank_account: "usd", boleto: "brl", oxxo: "mxn" }

function pay(payment_method: string, type: keyof typeof CURRENCIES = "sepa_debit", more: object = {}) {
  return stripe.paymentIntents.create({
    amount: 2000,
    currency: CURRENCIES[type],
    allowed_payment_method_types: [type],
    payment_method,
    mandate_data: { customer_acceptance: { type: "offline" } },
    confirm: true,
    ...more,
  })
}

const chargeOf = (intent: Stripe.PaymentIntent) => stripe.charges.retrieve(String(intent.latest_charge))

describe("a bank debit", () => {
  it.each([
    ["sepa_debit", "pm_success_de", { last4: "3000", country: "DE" }],
    ["us_bank_account", "pm_usBankAccount_success", { last4: "6789", routing_number: "110000000" }],
  ] as const)("%s is processing until the bank has paid", async (type, payment_method, details) => {
    const intent = await pay(payment_method, type)
    expect(intent).toMatchObject({ status: "processing", amount_received: 0, next_action: null })
    const pending = await chargeOf(intent)
    expect(pending).toMatchObject({ status: "pending", paid: false, balance_transaction: null })
    expect(pending.payment_method_details).toMatchObject({ type, [type]: details })
    expect(pending.id).toMatch(/^py_/)
    const once = ["payment_intent.created", "charge.pending", "payment_intent.processing"]
    expect(types()).toEqual(once)

    expect(local.bank.settlePayment(intent.id)).toMatchObject({ status: "succeeded", amount_received: 2000 })
    expect(await chargeOf(intent)).toMatchObject({ status: "succeeded", paid: true, captured: true })
    expect(types()).toEqual([...once, "charge.succeeded", "payment_intent.succeeded"])
  })

  it.each([
    ["pm_failed_de", "sepa_debit", "generic_could_not_process"],
    ["pm_insufficientFunds_fr", "sepa_debit", "insufficient_funds"],
    ["pm_usBankAccount_accountClosed", "us_bank_account", "account_closed"],
    ["pm_usBankAccount_noAccount", "us_bank_account", "no_account"],
  ] as const)("of %s fails and waits for another", async (payment_method, type, code) => {
    const { id } = await pay(payment_method, type)
    const intent = local.bank.settlePayment(id)
    expect(intent).toMatchObject({
      status: "requires_payment_method",
      payment_method: null,
      last_payment_error: { code, payment_method: { type } },
    })
    expect(await chargeOf(intent)).toMatchObject({
      status: "failed",
      paid: false,
      failure_code: code,
      amount_captured: 0,
    })
    expect(types().slice(-2)).toEqual(["charge.failed", "payment_intent.payment_failed"])
    const again = await stripe.paymentIntents.confirm(id, {
      payment_method: type === "sepa_debit" ? "pm_success_de" : "pm_usBankAccount_success",
    })
    expect(again).toMatchObject({ status: "processing", last_payment_error: null })
  })

  it("fails as the test says, for every test account", async () => {
    const { id } = await pay("pm_success_de")
    const failure = { code: "debit_not_authorized", message: "Not authorised." }
    expect(local.bank.failPayment(id, failure).last_payment_error).toMatchObject(failure)
  })

  it("that is disputed has been paid before", async () => {
    const { id } = await pay("pm_disputed_at")
    local.bank.settlePayment(id)
    expect(types()).toContain("payment_intent.succeeded")
    expect((await stripe.disputes.list({ payment_intent: id })).data).toHaveLength(1)
  })

  it("of an account that hangs stays processing, until the test says otherwise", async () => {
    const { id } = await pay("pm_usBankAccount_processing", "us_bank_account")
    expect(local.bank.settlePayment(id).status).toBe("processing")
    expect(local.bank.failPayment(id).status).toBe("requires_payment_method")
  })

  it("is made of data too", async () => {
    const data = { type: "sepa_debit", sepa_debit: { iban: "DE62 3704 0044 0532 0130 01" } } as const
    const intent = await pay("", "sepa_debit", { payment_method: undefined, payment_method_data: data })
    expect(local.bank.settlePayment(intent.id).status).toBe("requires_payment_method")
    const bank = { account_number: "000123456789", routing_number: "110000000" }
    const method = await stripe.paymentMethods.create({ type: "us_bank_account", us_bank_account: bank })
    expect(method).toMatchObject({ type: "us_bank_account", us_bank_account: { last4: "6789" } })
    const nothing = await refusal(stripe.paymentMethods.create({ type: "sepa_debit" }))
    expect(nothing).toMatchObject({ code: "parameter_missing", param: "sepa_debit" })
  })

  it("can't be confirmed, captured or refunded while it is processing", async () => {
    const { id } = await pay("pm_success_de")
    for (const call of [stripe.paymentIntents.confirm(id), stripe.paymentIntents.capture(id)]) {
      expect(await refusal(call)).toMatchObject({ code: "payment_intent_unexpected_state" })
    }
    expect(await refusal(stripe.refunds.create({ payment_intent: id }))).toMatchObject({ statusCode: 400 })
  })

  it("is not settled twice", async () => {
    const { id } = await pay("pm_success_de")
    local.bank.settlePayment(id)
    expect(() => local.bank.settlePayment(id)).toThrow("not waiting for a bank")
    expect(() => local.bank.failPayment(id)).toThrow("not waiting for a bank")
  })

  it("of a US account can be cancelled while it is processing, of SEPA not", async () => {
    const { id } = await pay("pm_usBankAccount_success", "us_bank_account")
    const intent = await stripe.paymentIntents.cancel(id)
    expect(intent).toMatchObject({ status: "canceled", amount_received: 0 })
    expect((await chargeOf(intent)).status).toBe("failed")
    expect(types().slice(-2)).toEqual(["payment_intent.canceled", "charge.failed"])
    const sepa = await pay("pm_success_de")
    expect(await refusal(stripe.paymentIntents.cancel(sepa.id))).toMatchObject({
      code: "payment_intent_unexpected_state",
    })
  })

  it.each([
    ["another currency", { currency: "usd" }, "payment_method_currency_mismatch"],
    ["manual capture", { capture_method: "manual" }, "payment_intent_invalid_parameter"],
    [
      "a type that was not offered",
      { allowed_payment_method_types: ["card"] },
      "payment_intent_invalid_parameter",
    ],
  ])("is refused for %s", async (_, more, code) => {
    expect(await refusal(pay("pm_success_de", "sepa_debit", more))).toMatchObject({ statusCode: 400, code })
  })

  it("is refused where an older caller offers cards only", async () => {
    const form = new URLSearchParams({
      amount: "2000",
      currency: "eur",
      confirm: "true",
      payment_method: "pm_success_de",
    })
    form.append("payment_method_types[]", "card")
    const headers = { Authorization: `Bearer ${local.apiKey}` }
    const answer = await fetch(`${local.url}/v1/payment_intents`, { method: "POST", headers, body: form })
    expect(await answer.json()).toMatchObject({ error: { code: "payment_intent_invalid_parameter" } })
  })
})

describe("a voucher", () => {
  const voucher = async (type: "boleto" | "oxxo") => {
    const details = type === "boleto" ? { boleto: { tax_id: "00000000000" } } : { oxxo: {} }
    const method = await stripe.paymentMethods.create({ type, ...details })
    return pay(method.id, type)
  }

  it.each(["boleto", "oxxo"] as const)("%s waits for the buyer, then for the bank", async (type) => {
    const intent = await voucher(type)
    expect(intent).toMatchObject({
      status: "requires_action",
      next_action: {
        type: `${type}_display_details`,
        [`${type}_display_details`]: { number: expect.stringMatching(/^\d+$/) },
      },
    })
    expect((await chargeOf(intent)).status).toBe("pending")
    expect(() => local.buyer.authenticate(intent.id)).toThrow()
    expect(local.buyer.payVoucher(intent.id)).toMatchObject({ status: "processing", next_action: null })
    expect(() => local.buyer.payVoucher(intent.id)).toThrow("no unpaid voucher")
    expect(local.bank.settlePayment(intent.id).status).toBe("succeeded")
    expect(types().slice(-6)).toEqual([
      "payment_intent.created",
      "charge.pending",
      "payment_intent.requires_action",
      "payment_intent.processing",
      "charge.succeeded",
      "payment_intent.succeeded",
    ])
  })

  it("that is not paid expires", async () => {
    const { id } = await voucher("boleto")
    expect(local.bank.failPayment(id)).toMatchObject({
      status: "requires_payment_method",
      next_action: null,
      last_payment_error: { code: "payment_intent_payment_attempt_expired" },
    })
  })

  it("can be cancelled", async () => {
    const { id } = await voucher("oxxo")
    const intent = await stripe.paymentIntents.cancel(id)
    expect([intent.status, (await chargeOf(intent)).status]).toEqual(["canceled", "failed"])
  })
})

describe("a checkout session paid by a debit", () => {
  const complete = async (paymentMethod: string) => {
    const session = await stripe.checkout.sessions.create({
      mode: "payment",
      allowed_payment_method_types: ["sepa_debit"],
      line_items: [
        { price_data: { currency: "eur", unit_amount: 100, product_data: { name: "hat" } }, quantity: 1 },
      ],
    })
    const completed = local.buyer.completeCheckout(session.id, { paymentMethod })
    expect([completed.status, completed.payment_status]).toEqual(["complete", "unpaid"])
    local.bank.settlePayment(String(completed.payment_intent))
    return stripe.checkout.sessions.retrieve(session.id)
  }

  it("is complete at once and paid later", async () => {
    expect((await complete("pm_success_de")).payment_status).toBe("paid")
    expect(types().at(-1)).toBe("checkout.session.async_payment_succeeded")
  })

  it("or hears that it failed", async () => {
    expect((await complete("pm_failed_de")).payment_status).toBe("unpaid")
    expect(types().at(-1)).toBe("checkout.session.async_payment_failed")
  })
})
