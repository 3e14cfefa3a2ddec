import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import { isNightly } from "../setup/nightly.ts"
import { closeShops } from "../setup/shop.ts"
import { costOf, StripeShop } from "./stripe-shop.ts"

const MUG = [{ sku: "MUG", quantity: 1 }]

/** Stripe's versions of the last three years: https://docs.stripe.com/changelog. */
const VERSIONS = [
  "2023-10-16",
  "2024-04-10",
  "2024-06-20",
  "2024-09-30.acacia",
  "2024-12-18.acacia",
  "2025-02-24.acacia",
  "2025-03-31.basil",
  "2025-08-27.basil",
  "2025-09-30.clover",
  "2026-03-25.dahlia",
  "2026-10-28.endive",
]

describe("odd payments", () => {
  let shop: StripeShop
  beforeAll(async () => {
    shop = await StripeShop.open({ HOLDFAST_MAX_ATTEMPTS: "2" })
    await shop.putStock("MUG", 20_000_000)
  })
  afterAll(() => shop?.close())
  afterAll(closeShops)
  afterEach(() => {
    shop.stripe.delivery = {}
  })

  const items = (list: unknown) => ({ items: JSON.stringify(list) })
  const mug = (more: object = {}) => ({ variant_id: shop.variant("MUG").id, quantity: 1, ...more })
  const paid = async (metadata: Record<string, string>, amount?: number) => {
    const [payment] = await shop.settled([await shop.pay({ items: MUG, metadata, amount })])
    return payment
  }

  it.each<[string, () => Record<string, string>, string]>([
    ["items that are no list", () => ({ items: "MUG" }), 'metadata.items has "MUG", which is no item'],
    ["items that are half a list", () => ({ items: "[{" }), "metadata.items is not JSON"],
    ["items that are null", () => items(null), 'metadata.items has "null", which is no item'],
    ["items that are an object", () => items(mug()), "metadata.items can't be used: it: "],
    ["no item", () => items([]), "metadata.items can't be used: it: "],
    ["an item that is null", () => items([null]), "metadata.items can't be used: 0: "],
    [
      "a number for a variant",
      () => items([mug({ variant_id: 7 })]),
      "metadata.items can't be used: 0.variant_id",
    ],
    [
      "a NUL in a variant",
      () => items([mug({ variant_id: "a\u0000b" })]),
      "holds a character that no id has",
    ],
    [
      "half a character in a variant",
      () => items([mug({ variant_id: "a\ud800" })]),
      "holds a character that no id has",
    ],
    [
      "an unknown variant",
      () => items([mug({ variant_id: "__proto__" })]),
      "variant __proto__ does not exist",
    ],
    ["no unit", () => items([mug({ quantity: 0 })]), "metadata.items can't be used: 0.quantity"],
    ["more units than a number counts", () => items([mug({ quantity: 1e21 })]), "0.quantity"],
    ["half a unit", () => items([mug({ quantity: 0.5 })]), "0.quantity"],
    [
      "too many units for its money",
      () => items([mug({ quantity: 1e9 })]),
      "but the order comes to 14500000000.00 USD",
    ],
    ["an unknown region", () => ({ ...items([mug()]), region_id: "reg_x" }), "region reg_x does not exist"],
    ["an unknown cart", () => ({ cart_id: "cart_x" }), "cart cart_x does not exist"],
  ])("of %s need review at the first attempt, with the reason", async (_, metadata, reason) => {
    expect(await paid(metadata())).toMatchObject({
      status: "review",
      attempts: 0,
      reason: expect.stringContaining(reason),
    })
  })

  it.each<[string, Record<string, string>]>([
    ["nothing else", {}],
    ["fifty keys", Object.fromEntries(Array.from({ length: 49 }, (_, i) => [`key_${i}`, "v".repeat(500)]))],
    ["names of JavaScript's own", { constructor: "x", toString: "x", hasOwnProperty: "x" }],
    ["signs of all kinds", { "a.b[c]": "\u202e👩‍💻'\"\\%_$1?;--", "?": "?" }],
    ["an e-mail address in capitals", { email: "ADA@Shop.Example" }],
    ["a cart that is empty", { cart_id: "" }],
    ["a price", { unit_price: "1", amount: "1" }],
  ])("become orders where their metadata has the items and %s", async (_, more) => {
    expect(await paid({ ...items([mug()]), ...more })).toMatchObject({ status: "completed" })
  })

  it.each([
    ["as large as Stripe's limit for most currencies", 68_965],
    ["larger than a number of 32 bits", 1_500_000],
    ["as large as Stripe's twelve digits", 10_000_000],
  ])("%s become orders to the cent", async (_, quantity) => {
    const bought = [{ sku: "MUG", quantity }]
    const [payment] = await shop.settled([await shop.pay({ items: bought })])
    expect(payment).toMatchObject({ status: "completed", amount: String(costOf(bought, "usd")) })
    const { order } = await shop.admin(
      "GET",
      `/admin/orders/${payment?.order_id}?fields=total,payment_status`,
    )
    expect(order).toMatchObject({ total: costOf(bought, "usd") / 100, payment_status: "captured" })
  })

  it.each(VERSIONS)(
    "whose events are of version %s become orders, and Stripe is not asked",
    async (api_version) => {
      shop.stripe.delivery = { rewrite: (event) => ({ ...event, api_version }) }
      const intent = await shop.pay({ items: MUG })
      expect(await shop.settled([intent])).toMatchObject([{ status: "completed" }])
      expect(shop.calls(intent)).toEqual([])
    },
  )

  it.each(["?q=%00", "?q=a%00b", "?q=%ED%A0%80", "/%00", `/${"x".repeat(3_000)}`])(
    "are asked for in an odd way without harm: %s",
    async (path) => {
      const answer = await shop.admin("GET", `/admin/stripe-payments${path}`).catch((error: Error) => error)
      expect(answer instanceof Error ? answer.message : answer.count).toBeOneOf([
        0,
        expect.stringContaining(": 404 "),
      ])
    },
  )

  it("are not there to be taken up again by an odd id", async () => {
    await expect(shop.admin("POST", "/admin/stripe-payments/%00/retry")).rejects.toThrow(": 404 ")
  })

  it("have the provider of their own session, where the shop has several of Stripe", async () => {
    const { intentId, sessionId } = await shop.checkout(MUG)
    const provider_id = "pp_stripe-bancontact_stripe"
    await shop.rows("UPDATE payment_session SET provider_id = $2 WHERE id = $1", [sessionId, provider_id])
    await shop.confirm(intentId)
    expect(await shop.settled([intentId])).toMatchObject([{ status: "completed" }])
    const payments = await shop.rows("SELECT provider_id FROM payment WHERE payment_session_id = $1", [
      sessionId,
    ])
    expect(payments).toEqual([{ provider_id }])
  })

  it.runIf(isNightly)(
    "wait where the shop doesn't have the provider that the options name, and are told which it has",
    async () => {
      await shop.restart({ HOLDFAST_PAYMENT_PROVIDER: "pp_paypal_paypal" })
      const fault =
        /paymentProvider is pp_paypal_paypal, which this shop does not have; it has .*pp_stripe_stripe/
      await shop.until("the log to tell it", () => fault.test(shop.logs) || undefined)
      const intent = await shop.pay({ items: MUG })
      await shop.until("its event", async () => (await shop.payment(intent)) && true)
      await shop.stripe.idle()
      expect(await shop.payment(intent)).toMatchObject({ status: "pending", attempts: 0 })
      await shop.restart({ HOLDFAST_PAYMENT_PROVIDER: "pp_stripe_stripe" })
      expect(await shop.settled([intent])).toMatchObject([{ status: "completed" }])
    },
  )
})
