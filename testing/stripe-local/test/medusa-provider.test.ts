import { createRequire } from "node:module"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { type StripeLocal, startStripeLocal } from "../src/index.js"
import { Shop } from "./shop.js"

const SECRET = "whsec_medusa"

type Call = (input: object) => Promise<{ id: string; status: string; data: Record<string, unknown> }>
type Provider = Record<
  | "initiatePayment"
  | "updatePayment"
  | "authorizePayment"
  | "getPaymentStatus"
  | "retrievePayment"
  | "capturePayment"
  | "refundPayment"
  | "cancelPayment"
  | "createAccountHolder"
  | "updateAccountHolder"
  | "deleteAccountHolder"
  | "savePaymentMethod"
  | "deletePaymentMethod"
  | "getWebhookActionAndData",
  Call
> & { listPaymentMethods(input: object): Promise<{ id: string }[]> }

let local: StripeLocal
let provider: Provider

beforeEach(async () => {
  local = await startStripeLocal()
  provider = medusaProvider()
})
afterEach(() => local.close())

// Loaded without types: those of the older stripe package that it brings would stand in for the newer one's.
const load = createRequire(import.meta.resolve("@medusajs/payment-stripe/dist/index.js"))
const { StripeProviderService } = load("./services/index.js")
const MedusasStripe = load("stripe")

/** Medusa's provider takes no host, so its client is replaced by one that comes here. */
function medusaProvider(): Provider {
  const made = new StripeProviderService({}, { apiKey: local.apiKey, webhookSecret: SECRET })
  return Object.assign(made, { stripe_: new MedusasStripe(local.apiKey, local.clientOptions()) })
}

const initiate = () =>
  provider.initiatePayment({
    amount: 20,
    currency_code: "usd",
    data: { session_id: "payses_1" },
    context: { idempotency_key: "payses_1" },
  })

const confirm = (id: string, payment_method = "pm_card_visa") =>
  local.client().paymentIntents.confirm(id, { payment_method })

describe("Medusa's Stripe provider", () => {
  it("authorises, captures and refunds", async () => {
    const { id, status } = await initiate()
    expect(status).toBe("pending")
    await confirm(id)
    const authorised = await provider.authorizePayment({ data: { id } })
    expect(authorised.status).toBe("authorized")
    const context = { idempotency_key: "capture_1" }
    const captured = await provider.capturePayment({ data: { id }, context })
    expect(captured.data).toMatchObject({ status: "succeeded", amount_received: 2000 })
    expect((await provider.getPaymentStatus({ data: { id } })).status).toBe("captured")
    await provider.refundPayment({ amount: 5, data: captured.data, context: { idempotency_key: "re_1" } })
    const { data } = await local.client().refunds.list({ payment_intent: id })
    expect(data.map(({ amount }) => amount)).toEqual([500])
  })

  it("takes a capture that was made elsewhere for its own", async () => {
    const { id } = await initiate()
    await confirm(id)
    await local.client().paymentIntents.capture(id)
    const captured = await provider.capturePayment({ data: { id }, context: {} })
    expect(captured.data).toMatchObject({ id, status: "succeeded" })
  })

  it("cancels, also what is cancelled", async () => {
    const { id } = await initiate()
    for (const _ of [1, 2]) {
      const cancelled = await provider.cancelPayment({ data: { id } })
      expect(cancelled.data).toMatchObject({ id, status: "canceled" })
    }
  })

  it("changes the amount, and reads the payment in Medusa's units", async () => {
    const { id } = await initiate()
    await provider.updatePayment({ data: { id }, currency_code: "usd", amount: 30 })
    expect((await provider.retrievePayment({ data: { id } })).data).toMatchObject({ amount: 30 })
  })

  it("keeps customers and their payment methods", async () => {
    const customer = { id: "cus_1", email: "ada@example.com", first_name: "Ada", phone: null }
    const holder = await provider.createAccountHolder({ context: { customer } })
    const context = { customer, account_holder: { data: { id: holder.id } } }
    await provider.updateAccountHolder({ context })
    const saved = await provider.savePaymentMethod({
      context,
      data: { payment_method: "pm_card_visa", confirm: true, usage: "off_session" },
    })
    const methods = await provider.listPaymentMethods({ context })
    expect(methods.map(({ id }) => id)).toEqual([saved.data.payment_method])
    await provider.deletePaymentMethod({ context, data: { id: methods[0]?.id } })
    expect(await provider.listPaymentMethods({ context })).toEqual([])
    await provider.deleteAccountHolder({ context })
  })

  it("verifies and understands the webhooks", async () => {
    const shop = await Shop.open()
    local.addWebhookEndpoint({
      url: shop.url,
      secret: SECRET,
      enabledEvents: ["payment_intent.amount_capturable_updated"],
    })
    const { id } = await initiate()
    await confirm(id)
    await local.idle()
    const [received] = shop.received
    const action = await provider.getWebhookActionAndData({
      rawData: received?.body ?? "",
      data: {},
      headers: { "stripe-signature": received?.signature },
    })
    expect(action).toMatchObject({ action: "authorized", data: { session_id: "payses_1", amount: 20 } })
    await shop.close()
  })
})
