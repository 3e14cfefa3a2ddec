import type Stripe from "stripe"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { beforeBasil, type StripeLocal, startStripeLocal } from "../src/index.js"
import { Shop } from "./shop.js"

let local: StripeLocal
let stripe: Stripe

beforeEach(async () => {
  local = await startStripeLocal()
  stripe = local.client()
})
afterEach(() => local.close())

const usd = { amount: 2000, currency: "usd" }
const types = () => local.events.map(({ type }) => type)

describe("an invoice's payment", () => {
  it("names the invoice, and the shop's own doesn't", async () => {
    const { id } = local.elsewhere.payInvoice({ ...usd, subscription: true })
    const intent = await stripe.paymentIntents.retrieve(id)
    expect(intent).toMatchObject({
      status: "succeeded",
      description: "Subscription creation",
      payment_details: { customer_reference: null, order_reference: expect.stringMatching(/^in_/) },
    })
    expect(intent).not.toHaveProperty("invoice")
    expect(await stripe.paymentIntents.create(usd)).not.toHaveProperty("payment_details")
    expect(types()).toContain("invoice_payment.paid")
  })

  it("is found by its payment intent", async () => {
    const { id, payment_details } = local.elsewhere.payInvoice(usd)
    const of = (payment_intent: string) =>
      stripe.invoicePayments.list({ payment: { type: "payment_intent", payment_intent } })
    const [payment] = (await of(id)).data
    expect(payment).toMatchObject({
      status: "paid",
      amount_paid: 2000,
      invoice: payment_details?.order_reference,
    })
    expect((await of((await stripe.paymentIntents.create(usd)).id)).data).toEqual([])
  })

  it("may be declined", async () => {
    const paymentMethod = "pm_card_chargeDeclined"
    expect(() => local.elsewhere.payInvoice({ ...usd, paymentMethod })).toThrow("declined")
    expect((await stripe.invoicePayments.list()).data[0]).toMatchObject({ status: "open", amount_paid: null })
  })

  it("comes to an endpoint of an older version in the older form", async () => {
    const shop = await Shop.open()
    local.addWebhookEndpoint({ url: shop.url, enabledEvents: ["payment_intent.succeeded"] })
    local.delivery = { rewrite: beforeBasil }
    const { payment_details } = local.elsewhere.payInvoice(usd)
    local.elsewhere.payAtTerminal(usd)
    await local.idle()
    const invoices = shop.received.map(({ event }) => (event.data.object as { invoice?: string }).invoice)
    expect(invoices.sort()).toEqual([payment_details?.order_reference, null])
    expect(shop.received[0]?.event.api_version).toBe("2025-02-24.acacia")
    await shop.close()
  })
})

describe("a payment at a card reader", () => {
  it("is card_present", async () => {
    const intent = local.elsewhere.payAtTerminal(usd)
    expect(intent).toMatchObject({ status: "succeeded", payment_method_types: ["card_present"] })
    const charge = await stripe.charges.retrieve(String(intent.latest_charge))
    expect(charge.payment_method_details).toMatchObject({
      type: "card_present",
      card_present: { brand: "visa", read_method: "contactless_emv" },
    })
    expect(charge.id).toMatch(/^ch_/)
    expect((await stripe.refunds.create({ payment_intent: intent.id })).status).toBe("succeeded")
  })

  it("can be authorised and captured", async () => {
    const { id, status, latest_charge } = local.elsewhere.payAtTerminal({ ...usd, manual: true })
    expect(status).toBe("requires_capture")
    const { created, payment_method_details } = await stripe.charges.retrieve(String(latest_charge))
    const twoDays = 2 * 24 * 60 * 60
    expect(payment_method_details?.card_present?.capture_before).toBeGreaterThanOrEqual(created + twoDays)
    expect((await stripe.paymentIntents.capture(id)).status).toBe("succeeded")
  })
})
