import { beforeBasil } from "@holdfast/stripe-local"
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import { closeShops } from "../setup/shop.ts"
import { costOf, HOT, StripeShop, WEBHOOK_SECRET } from "./stripe-shop.ts"

const MUG = [{ sku: "MUG", quantity: 1 }]
const SELLER = "acct_seller"

describe("payments in a Stripe account that others use too", () => {
  let shop: StripeShop
  beforeAll(async () => {
    shop = await StripeShop.open({ HOLDFAST_ACCOUNTS: SELLER })
    shop.stripe.connectAccount({ id: SELLER })
    const url = `${shop.url}/hooks/stripe`
    shop.stripe.addWebhookEndpoint({ url, secret: WEBHOOK_SECRET, connect: true })
  })
  afterAll(() => shop?.close())
  afterAll(closeShops)
  afterEach(async () => {
    shop.stripe.delivery = {}
    await shop.stripe.releaseHeld()
  })

  const settledOne = async (id: string) => (await shop.settled([id]))[0]
  const paid = async (metadata: Record<string, string>) =>
    settledOne(await shop.pay({ items: MUG, metadata }))
  const ignored = (reason: string) => ({
    status: "ignored",
    reason: expect.stringContaining(reason),
    order_id: null,
    attempts: 0,
  })
  const release = async (types: string[]) => {
    shop.stripe.delivery = {}
    await shop.stripe.releaseHeld((events) => events.filter(({ type }) => types.includes(type)))
  }

  describe("that are surely another's", () => {
    it.each([
      ["now", {}],
      ["of a version before 2025-03-31.basil", { rewrite: beforeBasil }],
    ])("are ignored where they pay an invoice, as events tell it %s", async (_, delivery) => {
      shop.stripe.delivery = delivery
      const { id } = shop.stripe.elsewhere.payInvoice({ amount: 2000, currency: "usd", subscription: true })
      expect(await settledOne(id)).toMatchObject(ignored("it pays Stripe's invoice in_"))
    })

    it("are ignored where another shop's session is named", async () => {
      const payment = await paid({ session_id: "payses_of_another" })
      expect(payment).toMatchObject(ignored("payment session payses_of_another is of another shop"))
    })

    it("are ignored where the store's own rule says so", async () => {
      expect(await paid({ shop: "the other one" })).toMatchObject(ignored("orderContent hook says so"))
    })

    it("are ignored where they are of a connected account that the shop doesn't name", async () => {
      const { id: stripeAccount } = shop.stripe.connectAccount()
      const { id } = await shop.client.paymentIntents.create(
        { amount: 2000, currency: "usd" },
        { stripeAccount },
      )
      await shop.client.paymentIntents.confirm(id, { payment_method: "pm_card_visa" }, { stripeAccount })
      expect(await settledOne(id)).toMatchObject(ignored(`it is of the connected account ${stripeAccount}`))
      expect(shop.calls(id)).toEqual([])
    })

    it("make no noise in the log, and can be taken up all the same", async () => {
      const payment = await paid({ session_id: "payses_of_another" })
      expect(shop.logs).not.toContain("needs review")
      const { count } = await shop.admin("GET", "/admin/stripe-payments?status=ignored")
      expect(count).toBeGreaterThan(0)
      await shop.admin("POST", `/admin/stripe-payments/${payment?.id}/retry`)
      expect(await settledOne(payment?.id ?? "")).toMatchObject(ignored("payses_of_another"))
    })
  })

  describe("that are this shop's all the same", () => {
    const items = () => JSON.stringify([{ variant_id: shop.variant("MUG").id, quantity: 1 }])

    it.each<[string, () => Record<string, string>]>([
      ["items", () => ({ items: items() })],
      ["what the store's rule knows", () => ({ sku: "MUG" })],
    ])("become orders by %s, whatever session they name", async (_, bought) => {
      expect(await paid({ session_id: "payses_of_another", ...bought() })).toMatchObject({
        status: "completed",
      })
    })

    it("become orders where an invoice's payment has items", async () => {
      const amount = costOf(MUG, "usd")
      const metadata = { items: items(), email: "ada@shop.example" }
      const { id } = shop.stripe.elsewhere.payInvoice({ amount, currency: "usd", metadata })
      expect(await settledOne(id)).toMatchObject({ status: "completed" })
    })
  })

  describe("that name no purchase", () => {
    it.each<[string, Record<string, string>, string]>([
      ["nothing", {}, "it has no metadata.session_id, cart_id or items, and no orderContent hook knows it"],
      [
        "a session that isn't Medusa's",
        { session_id: "cs_1" },
        "metadata.session_id is cs_1, which is no payment",
      ],
    ])("need review where they name %s", async (_, metadata, reason) => {
      expect(await paid(metadata)).toMatchObject({
        status: "review",
        reason: expect.stringContaining(reason),
      })
    })

    it("need review at a card reader", async () => {
      const { id } = shop.stripe.elsewhere.payAtTerminal({ amount: 2000, currency: "usd" })
      expect(await settledOne(id)).toMatchObject({ status: "review" })
    })

    it("tell which sales channel has no stock, and that it was the default one", async () => {
      const [{ default_sales_channel_id: channel }] = (await shop.rows<{ default_sales_channel_id: string }>(
        "SELECT default_sales_channel_id FROM store",
      )) as [{ default_sales_channel_id: string }]
      await shop.rows(
        "UPDATE sales_channel_stock_location SET deleted_at = now() WHERE sales_channel_id = $1",
        [channel],
      )
      const payment = await paid({
        items: JSON.stringify([{ variant_id: shop.variant("MUG").id, quantity: 1 }]),
      }).finally(() =>
        shop.rows("UPDATE sales_channel_stock_location SET deleted_at = NULL WHERE sales_channel_id = $1", [
          channel,
        ]),
      )
      const words = `sales channel ${channel} (the store's default, for the payment names none) has no stock location`
      expect(payment).toMatchObject({ status: "review", reason: expect.stringContaining(words) })
    })

    it("tell a sales channel that doesn't exist", async () => {
      const items = JSON.stringify([{ variant_id: shop.variant("MUG").id, quantity: 1 }])
      const payment = await paid({ items, sales_channel_id: "sc_x" })
      expect(payment).toMatchObject({ status: "review", reason: "sales channel sc_x does not exist" })
    })
  })

  describe("of a session that Medusa deleted", () => {
    /** The storefront replaces the session of a payment that was just confirmed. */
    const replaced = async () => {
      shop.stripe.delivery = { hold: () => true }
      const { cartId, intentId, sessionId } = await shop.checkout(MUG)
      await shop.confirm(intentId)
      const { payment_collection } = await shop.store("POST", "/store/payment-collections", {
        cart_id: cartId,
      })
      const sessions = `/store/payment-collections/${payment_collection.id}/payment-sessions`
      await shop.store("POST", sessions, { provider_id: "pp_stripe_stripe" })
      return { intentId, sessionId }
    }

    it("are void, since Medusa let their money go", async () => {
      const { intentId } = await replaced()
      await release(["payment_intent.amount_capturable_updated"])
      expect(await settledOne(intentId)).toMatchObject({ status: "void" })
    })

    it("need review with the true reason while their money is held, and are void when it is let go", async () => {
      shop.stripe.delivery = { hold: () => true }
      const { intentId, sessionId } = await shop.checkout(MUG)
      await shop.confirm(intentId)
      await shop.rows("UPDATE payment_session SET deleted_at = now() WHERE id = $1", [sessionId])
      await release(["payment_intent.amount_capturable_updated"])
      const reason = `payment session ${sessionId} was deleted in Medusa`
      expect(await settledOne(intentId)).toMatchObject({ status: "review", reason })

      await shop.client.paymentIntents.cancel(intentId)
      await shop.until("the payment to be void", async () =>
        (await shop.payment(intentId)).status === "void" ? true : undefined,
      )
    })

    it("name the cart that was deleted", async () => {
      shop.stripe.delivery = { hold: () => true }
      const { cartId, intentId } = await shop.checkout(MUG)
      await shop.confirm(intentId)
      await shop.rows("UPDATE cart SET deleted_at = now() WHERE id = $1", [cartId])
      await release(["payment_intent.amount_capturable_updated"])
      const reason = `cart ${cartId} was deleted in Medusa`
      expect(await settledOne(intentId)).toMatchObject({ status: "review", reason })
      expect(await paid({ cart_id: cartId })).toMatchObject({ status: "review", reason })
    })
  })

  describe("that a person dismisses", () => {
    const dismiss = (id: string, body: unknown) =>
      shop.admin("POST", `/admin/stripe-payments/${id}/dismiss`, body)

    it("are put aside with the reason, and can be taken up again", async () => {
      const { id = "" } = (await paid({})) ?? {}
      const { stripe_payment } = await dismiss(id, { reason: " a gift of the owner's " })
      expect(stripe_payment).toMatchObject({ status: "dismissed", reason: "a gift of the owner's" })
      const listed = await shop.admin("GET", "/admin/stripe-payments?status=dismissed")
      expect(listed).toMatchObject({ count: 1, stripe_payments: [{ id }] })
      const { timeline } = (await shop.admin("GET", `/admin/stripe-payments/${id}`)).stripe_payment
      const line = {
        kind: "action",
        actor: expect.stringMatching(/^user_/),
        text: "Dismissed: a gift of the owner's",
      }
      expect(timeline.at(-1)).toMatchObject(line)

      await shop.admin("POST", `/admin/stripe-payments/${id}/retry`)
      expect(await settledOne(id)).toMatchObject({ status: "review" })
    })

    it("can't be dismissed without a reason, when they are not in review, or by a user who is no administrator", async () => {
      const { id = "" } = (await paid({})) ?? {}
      for (const body of [{}, { reason: " " }, { reason: 5 }, { reason: "x", more: 1 }]) {
        await expect(dismiss(id, body)).rejects.toThrow(": 400 ")
      }
      const path = `/admin/stripe-payments/${id}/dismiss`
      await expect(shop.store("POST", path, { reason: "x" })).rejects.toThrow(": 401 ")
      expect(await shop.payment(id)).toMatchObject({ status: "review" })
      await expect(dismiss("pi_unknown", { reason: "x" })).rejects.toThrow(": 404 ")
      const done = await paid({ sku: "MUG" })
      const refusal = `Payment ${done?.id} is not in review: it is completed`
      await expect(dismiss(done?.id ?? "", { reason: "x" })).rejects.toThrow(refusal)
    })
  })

  describe("of a connected account that is the shop's", () => {
    const onSeller = { stripeAccount: SELLER }
    const payOnSeller = async (sku: string, more: object = {}) => {
      const { id } = await shop.client.paymentIntents.create(
        {
          amount: costOf([{ sku, quantity: 1 }], "usd"),
          currency: "usd",
          receipt_email: "ada@shop.example",
          metadata: { items: JSON.stringify([{ variant_id: shop.variant(sku).id, quantity: 1 }]) },
          ...more,
        },
        onSeller,
      )
      await shop.client.paymentIntents.confirm(id, { payment_method: "pm_card_visa" }, onSeller)
      return id
    }
    const stands = (id: string) =>
      shop.client.paymentIntents.retrieve(id, { expand: ["latest_charge"] }, onSeller)

    it("become orders, and are captured there", async () => {
      const id = await payOnSeller("MUG", { capture_method: "manual" })
      expect(await settledOne(id)).toMatchObject({ status: "completed", account: SELLER })
      expect(await stands(id)).toMatchObject({ status: "succeeded" })
    })

    it("are asked about, and refunded there with the platform's fee where they are sold out", async () => {
      await shop.putStock(HOT, 0)
      const id = await payOnSeller(HOT, { application_fee_amount: 100 })
      expect(await settledOne(id)).toMatchObject({ status: "refunded" })
      expect(await stands(id)).toMatchObject({ latest_charge: { refunded: true } })
      const refund = shop.stripe.requests.find(
        ({ path, params }) => path === "/v1/refunds" && params.payment_intent === id,
      )
      expect(refund?.params).toMatchObject({ refund_application_fee: "true" })
    })

    it("are canceled there where they are sold out and not captured", async () => {
      await shop.putStock(HOT, 0)
      const id = await payOnSeller(HOT, { capture_method: "manual" })
      expect(await settledOne(id)).toMatchObject({ status: "canceled" })
      expect(await stands(id)).toMatchObject({ status: "canceled" })
    })

    it("are found by a reconciliation where their events did not come", async () => {
      const since = new Date(Date.now() - 60_000)
      shop.stripe.delivery = { hold: () => true }
      const id = await payOnSeller("MUG", { capture_method: "manual" })
      await shop.admin("POST", "/admin/stripe-payments/reconcile", { since })
      expect(await settledOne(id)).toMatchObject({ status: "completed", account: SELLER })
      expect(await stands(id)).toMatchObject({ status: "succeeded" })
    })

    it("show their disputes", async () => {
      const id = await payOnSeller("MUG")
      await settledOne(id)
      shop.stripe.connectedAccount(SELLER)?.buyer.dispute(id, {})
      await shop.until("the dispute", async () =>
        (await shop.payment(id)).status === "disputed" ? true : undefined,
      )
    })
  })

  it("whose money is a connected account's are refunded from there, with the platform's fee", async () => {
    await shop.putStock(HOT, 0)
    const id = await shop.intent({ items: [{ sku: HOT, quantity: 1 }] })
    const { id: destination } = shop.stripe.connectAccount()
    const { metadata, amount } = await shop.client.paymentIntents.retrieve(id)
    const split = await shop.client.paymentIntents.create({
      amount,
      currency: "usd",
      metadata,
      receipt_email: "ada@shop.example",
      application_fee_amount: 100,
      transfer_data: { destination },
    })
    await shop.confirm(split.id)
    expect(await settledOne(split.id)).toMatchObject({ status: "refunded" })
    const [transfer] = (await shop.client.transfers.list({ destination })).data
    expect(transfer).toMatchObject({ amount, amount_reversed: amount })
    const [fee] = (await shop.client.applicationFees.list()).data
    expect(fee).toMatchObject({ amount: 100, amount_refunded: 100 })
  })

  it("are ignored without a word where the shop chose so, but for its own", async () => {
    await shop.restart({ HOLDFAST_UNKNOWN_PAYMENTS: "ignore" })
    expect(await paid({})).toMatchObject(ignored("the payment doesn't say what was bought"))
    const { id } = shop.stripe.elsewhere.payAtTerminal({ amount: 2000, currency: "usd" })
    expect(await settledOne(id)).toMatchObject({ status: "ignored" })
    expect(await paid({ cart_id: "cart_x" })).toMatchObject({ status: "review" })
  })
})
