import type Stripe from "stripe"
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import { closeShops } from "../setup/shop.ts"
import { HOT, StripeShop } from "./stripe-shop.ts"

type Creation = Stripe.Checkout.SessionCreateParams
type Line = NonNullable<Creation["line_items"]>[number]

interface Order {
  id: string
  email: string
  total: number
  tax_total: number
  discount_total: number
  shipping_total: number
  payment_status: string
  region_id: string
  customer_id: string
  items: { variant_id: string; quantity: number; unit_price: number; is_tax_inclusive: boolean }[]
  shipping_methods: { name: string; amount: number; shipping_option_id: string | null }[]
  shipping_address: Record<string, string | null> | null
  billing_address: Record<string, string | null> | null
  metadata: Record<string, unknown> | null
  summary: { pending_difference: number }
}

const SHIP_TO = {
  name: "Ada Lovelace",
  address: { line1: "1 Quay", city: "Bath", state: "ME", postal_code: "04530", country: "US" },
}

/** Orders of Stripe's own pages: Checkout Sessions and Payment Links. */
describe("an order of Stripe's Checkout", () => {
  let shop: StripeShop
  beforeAll(async () => {
    shop = await StripeShop.open()
  })
  afterEach(() => {
    shop.stripe.delivery = {}
  })
  afterAll(() => shop?.close())
  afterAll(closeShops)

  const line = (
    sku: string,
    quantity: number,
    unit_amount: number,
    metadata: Record<string, string> = { sku },
  ): Line => ({
    quantity,
    price_data: { currency: "usd", unit_amount, product_data: { name: sku, metadata } },
  })

  const open = async (more: Partial<Creation> = {}) =>
    await shop.client.checkout.sessions.create({
      mode: "payment",
      line_items: [line("MUG", 2, 1450)],
      success_url: "https://shop.example/thanks",
      ...more,
    })

  /** The buyer pays, and the payment is settled. */
  async function buy(
    more: Partial<Creation> = {},
    form: Parameters<StripeShop["stripe"]["buyer"]["completeCheckout"]>[1] = {},
  ) {
    const session = await open(more)
    const done = shop.stripe.buyer.completeCheckout(session.id, { email: "ada@shop.example", ...form })
    const id = String(done.payment_intent ?? done.id)
    const [row] = await shop.settled([id])
    return { id, session: done, row }
  }

  async function orderOf(row: { order_id: string | null } | undefined): Promise<Order> {
    const fields =
      "+email,+total,+tax_total,+discount_total,+shipping_total,+payment_status,+region_id,+customer_id,+metadata,*items,*shipping_methods,*shipping_address,*billing_address,*summary"
    return (await shop.admin("GET", `/admin/orders/${row?.order_id}?fields=${fields}`)).order
  }

  it("is of its lines, with what Checkout collected: e-mail, name, phone, address and shipping", async () => {
    const { row, session } = await buy(
      {
        shipping_address_collection: { allowed_countries: ["US"] },
        phone_number_collection: { enabled: true },
        shipping_options: [
          {
            shipping_rate_data: {
              display_name: "Express",
              type: "fixed_amount",
              fixed_amount: { amount: 900, currency: "usd" },
              metadata: { shipping_option_id: shop.seeded.shippingOptionId },
            },
          },
        ],
      },
      { phone: "+12075550123", shipping: SHIP_TO },
    )
    expect(row).toMatchObject({ status: "completed", email: "ada@shop.example" })
    const order = await orderOf(row)
    expect(order).toMatchObject({
      email: "ada@shop.example",
      total: 38,
      shipping_total: 9,
      payment_status: "captured",
      region_id: shop.seeded.regions.usd?.id,
      metadata: { stripe_checkout_session: session.id },
    })
    expect(order.summary.pending_difference).toBe(0)
    expect(order.items).toMatchObject([{ variant_id: shop.variant("MUG").id, quantity: 2, unit_price: 14.5 }])
    expect(order.shipping_methods).toMatchObject([
      { name: "Express", amount: 9, shipping_option_id: shop.seeded.shippingOptionId },
    ])
    expect(order.shipping_address).toMatchObject({
      first_name: "Ada",
      last_name: "Lovelace",
      address_1: "1 Quay",
      province: "us-me",
      country_code: "us",
      phone: "+12075550123",
    })
    expect(shop.announcements(order.id)).toBe(1)
  })

  it("maps lines by metadata of the price, the product, the line, or a lookup key that is a SKU or an id", async () => {
    const { id: product } = await shop.client.products.create({
      name: "Lantern",
      metadata: { sku: "LANTERN-STANDARD" },
    })
    const priced = async (more: Partial<Stripe.PriceCreateParams>) =>
      (await shop.client.prices.create({ currency: "usd", unit_amount: 1000, product, ...more })).id
    const plain = (await shop.client.products.create({ name: "Plain" })).id
    const prices = [
      await priced({}),
      await priced({ product: plain, metadata: { variant_id: shop.variant("SHIRT-S").id } }),
      await priced({ product: plain, lookup_key: "MUG" }),
      await priced({ product: plain, lookup_key: shop.variant("SHIRT-M").id }),
    ]
    const { row } = await buy({ line_items: prices.map((price) => ({ price, quantity: 1 })) })
    const order = await orderOf(row)
    const wanted = ["LANTERN-STANDARD", "SHIRT-S", "MUG", "SHIRT-M"].map((sku) => shop.variant(sku).id)
    expect(order.items.map(({ variant_id }) => variant_id).sort()).toEqual(wanted.sort())
    expect(order.total).toBe(40)
  })

  it("has more lines than Stripe lists at once", async () => {
    const skus = ["MUG", "SHIRT-S", "SHIRT-M", "LANTERN-STANDARD"]
    const line_items = Array.from({ length: 14 }, (_, n) => line(skus[n % 4] as string, 1, 100 + n))
    const { row } = await buy({ line_items })
    expect((await orderOf(row)).items).toHaveLength(14)
  })

  it("has the discount and the tax that Checkout reckoned, exclusive or inclusive", async () => {
    const coupon = await shop.client.coupons.create({ percent_off: 15 })
    const rate = async (inclusive: boolean) =>
      (await shop.client.taxRates.create({ display_name: "VAT", percentage: 19, inclusive })).id
    const exclusive = await buy({
      line_items: [{ ...line("MUG", 3, 1333), tax_rates: [await rate(false)] }],
      discounts: [{ coupon: coupon.id }],
    })
    const paid = (await shop.client.paymentIntents.retrieve(exclusive.id)).amount_received
    expect(exclusive.row).toMatchObject({ status: "completed" })
    const order = await orderOf(exclusive.row)
    expect(order.total).toBeCloseTo(paid / 100, 2)
    expect(order.tax_total).toBeCloseTo((exclusive.session.total_details?.amount_tax ?? 0) / 100, 2)
    expect(order.discount_total).toBeGreaterThan(0)
    expect(order.summary.pending_difference).toBe(0)

    const inclusive = await buy({ line_items: [{ ...line("MUG", 3, 1333), tax_rates: [await rate(true)] }] })
    expect(inclusive.row).toMatchObject({ status: "completed" })
    const gross = await orderOf(inclusive.row)
    expect(gross).toMatchObject({ total: 39.99, items: [{ is_tax_inclusive: true }] })
    expect(gross.tax_total).toBeCloseTo((inclusive.session.total_details?.amount_tax ?? 0) / 100, 2)
  })

  it("comes to what was paid, though Stripe rounds the tax of each line", async () => {
    const { id: rate } = await shop.client.taxRates.create({
      display_name: "VAT",
      percentage: 19,
      inclusive: false,
    })
    const skus = ["MUG", "SHIRT-S", "SHIRT-M", "LANTERN-STANDARD"]
    const line_items = Array.from({ length: 12 }, (_, n) => ({
      ...line(skus[n % 4] as string, 1, 103),
      tax_rates: [rate],
    }))
    const { row, session } = await buy({ line_items })
    expect(session.amount_total).toBe(12 * 123)
    expect(row).toMatchObject({ status: "completed" })
    expect((await orderOf(row)).total).toBeCloseTo(14.76, 8)
  })

  it("is made where nothing was to be paid, though Stripe makes no payment intent", async () => {
    const coupon = await shop.client.coupons.create({ percent_off: 100 })
    const { row, session } = await buy({ discounts: [{ coupon: coupon.id }] })
    expect(session).toMatchObject({ payment_intent: null, payment_status: "no_payment_required" })
    expect(row).toMatchObject({ id: session.id, status: "completed" })
    const order = await orderOf(row)
    expect(order).toMatchObject({ total: 0, email: "ada@shop.example", discount_total: 29 })
    expect(order.items).toMatchObject([{ quantity: 2 }])
    expect(shop.announcements(order.id)).toBe(1)
    await shop.admin("POST", `/admin/stripe-payments/${session.id}/retry`).catch(() => {})
    expect(await shop.count(`"order" WHERE id = $1`, [order.id])).toBe(1)
  })

  it("of nothing that was paid is canceled with its order, and nothing is asked of Stripe", async () => {
    const coupon = await shop.client.coupons.create({ percent_off: 100 })
    const { id, row } = await buy({ discounts: [{ coupon: coupon.id }] })
    await shop.admin("POST", `/admin/orders/${row?.order_id}/cancel`)
    await shop.until("it to be canceled", async () =>
      (await shop.payment(id)).status === "canceled" ? true : undefined,
    )
    expect((await shop.payment(id)).reason).toBe(`order ${row?.order_id} was canceled in Medusa`)
    expect(
      shop.stripe.requests.filter(({ driver, path }) => !driver && path.endsWith(`payment_intents/${id}`)),
    ).toEqual([])
  })

  it("is not made where nothing was to be paid and nothing is left; the row says why", async () => {
    await shop.putStock(HOT, 0)
    const coupon = await shop.client.coupons.create({ percent_off: 100 })
    const { row } = await buy({ discounts: [{ coupon: coupon.id }], line_items: [line(HOT, 1, 12000)] })
    expect(row).toMatchObject({ status: "canceled", order_id: null })
    expect(row?.reason).toContain("out of stock")
  })

  it("takes its stock before an authorization is captured, and lets it go where there is none", async () => {
    await shop.putStock(HOT, 1)
    const manual = {
      payment_intent_data: { capture_method: "manual" as const },
      line_items: [line(HOT, 1, 12000)],
    }
    const first = await buy(manual)
    const second = await buy(manual)
    expect([first.row?.status, second.row?.status]).toEqual(["completed", "canceled"])
    expect(await shop.client.paymentIntents.retrieve(first.id)).toMatchObject({ amount_received: 12000 })
  })

  it("comes of a Payment Link, whose metadata counts as the session's", async () => {
    const price = await shop.client.prices.create({
      currency: "usd",
      unit_amount: 1450,
      product_data: { name: "Mug" },
    })
    const items = JSON.stringify([{ variant_id: shop.variant("MUG").id, quantity: 1 }])
    const link = await shop.client.paymentLinks.create({
      line_items: [{ price: price.id, quantity: 1 }],
      metadata: { items },
    })
    const opened = shop.stripe.buyer.openPaymentLink(link.id)
    const done = shop.stripe.buyer.completeCheckout(opened.id, { email: "link@shop.example" })
    const [row] = await shop.settled([String(done.payment_intent)])
    expect(row).toMatchObject({ status: "completed" })
    expect(await orderOf(row)).toMatchObject({ email: "link@shop.example", total: 14.5 })
  })

  it("is of the Medusa cart that the session names, by metadata or as its reference", async () => {
    for (const naming of ["metadata", "reference"]) {
      const { cartId } = await shop.checkout([{ sku: "MUG", quantity: 1 }])
      const { cart } = await shop.store("GET", `/store/carts/${cartId}`)
      const amount = Math.round(cart.total * 100)
      const { row } = await buy({
        line_items: [line("Your order", 1, amount, {})],
        ...(naming === "metadata" ? { metadata: { cart_id: cartId } } : { client_reference_id: cartId }),
      })
      expect(row).toMatchObject({ status: "completed", cart_id: cartId })
    }
  })

  it("is made when a slow payment comes, and not when it fails", async () => {
    const later = {
      line_items: [
        { ...line("MUG", 1, 1450), price_data: { ...line("MUG", 1, 1450).price_data, currency: "eur" } },
      ] as Line[],
      payment_method_types: ["sepa_debit" as const],
    }
    const pay = async (paymentMethod: string) => {
      const session = await open(later)
      const done = shop.stripe.buyer.completeCheckout(session.id, {
        email: "slow@shop.example",
        paymentMethod,
      })
      expect(done.payment_status).toBe("unpaid")
      const id = String(done.payment_intent)
      await shop.until(
        "the payment to be known",
        async () => (await shop.payment(id))?.status === "awaiting_payment" || undefined,
      )
      shop.stripe.bank.settlePayment(id)
      return id
    }
    const good = await pay("pm_success_de")
    const [row] = await shop.settled([good])
    expect(row).toMatchObject({ status: "completed" })
    const bad = await pay("pm_failed_de")
    await shop.until("the failure to be known", async () => {
      const [payment] = await shop.rows<{ events: number }>(
        `SELECT count(*)::int AS events FROM stripe_event WHERE payment_intent_id = $1 AND type = 'checkout.session.async_payment_failed'`,
        [bad],
      )
      return payment?.events || undefined
    })
    expect((await shop.payment(bad)).order_id).toBeNull()
  })

  it("is made though the endpoint hears of sessions only", async () => {
    shop.stripe.delivery = { hold: ({ type }) => !type.startsWith("checkout.session.") }
    const { row } = await buy()
    expect(row).toMatchObject({ status: "completed" })
    shop.stripe.delivery = {}
    shop.stripe.releaseHeld()
  })

  it("is made though Stripe tells of the payment before its session is complete, in either order", async () => {
    shop.stripe.delivery = { hold: ({ type }) => type.startsWith("checkout.session.") }
    const { row, id } = await buy()
    expect(row).toMatchObject({ status: "completed" })
    shop.stripe.delivery = {}
    shop.stripe.releaseHeld()
    expect(await shop.count(`"order" WHERE id = $1`, [row?.order_id])).toBe(1)
    expect((await shop.payment(id)).status).toBe("completed")
  })

  it("needs review where a line names no variant, or one that does not exist", async () => {
    const { row } = await buy({ line_items: [line("MUG", 1, 100), line("Gift wrap", 1, 100, {})] })
    expect(row).toMatchObject({ status: "review" })
    expect(row?.reason).toContain('line "Gift wrap" of Checkout names no variant')
    const { row: unknown } = await buy({ line_items: [line("x", 1, 100, { sku: "NONE" })] })
    expect(unknown?.reason).toContain("names SKU NONE, which does not exist")
    const { row: nothing, session } = await buy({ line_items: [line("A donation", 1, 500, {})] })
    expect(nothing?.reason).toContain(`its Checkout Session ${session.id} has none either`)
  })

  it("needs review where its metadata names a customer who is not the shop's, or a region of another currency", async () => {
    const { row } = await buy({ metadata: { customer_id: "cus_NffrFeUfNV2Hib" } })
    expect(row).toMatchObject({ status: "review", order_id: null })
    expect(row?.reason).toBe("customer cus_NffrFeUfNV2Hib does not exist")
    const region_id = shop.seeded.regions.eur?.id as string
    const { row: elsewhere } = await buy({ metadata: { region_id } })
    expect(elsewhere).toMatchObject({ status: "review", order_id: null })
    expect(elsewhere?.reason).toBe(`region ${region_id} sells in EUR, but the payment is in USD`)
  })

  it("is what the store's own rule reads in the session, for which Stripe is asked once", async () => {
    const { id, row } = await buy({
      line_items: [line("A mug", 1, 1450, {})],
      client_reference_id: "sku:MUG",
    })
    expect(row).toMatchObject({ status: "completed" })
    expect((await orderOf(row)).items).toMatchObject([{ variant_id: shop.variant("MUG").id, quantity: 1 }])
    expect(shop.calls(id)).toEqual(["GET /v1/payment_intents/pi"])
  })

  it("costs no read of Stripe where the payment itself says what was bought", async () => {
    const items = JSON.stringify([{ variant_id: shop.variant("MUG").id, quantity: 1 }])
    const { id, row } = await buy(
      {
        line_items: [line("Mug", 1, 1450, {})],
        payment_intent_data: { metadata: { items, email: "ada@shop.example" } },
        shipping_address_collection: { allowed_countries: ["US"] },
      },
      { shipping: SHIP_TO },
    )
    expect(row).toMatchObject({ status: "completed" })
    expect(shop.calls(id)).toEqual([])
  })

  it("is said to be without an e-mail address where there is none", async () => {
    const bought = { items: [{ sku: "MUG", quantity: 1 }] }
    const intent = await shop.client.paymentIntents.create({
      amount: 1450,
      currency: "usd",
      metadata: { items: JSON.stringify([{ variant_id: shop.variant("MUG").id, quantity: 1 }]) },
    })
    expect(bought.items).toHaveLength(1)
    await shop.confirm(intent.id)
    const [row] = await shop.settled([intent.id])
    expect(row).toMatchObject({ status: "completed" })
    expect(row?.reason).toContain("without an e-mail address")
  })

  describe("is shown to its buyer, who asks by the session's id", () => {
    const ask = async (session: string, query = "") => {
      const response = await fetch(`${shop.url}/store/stripe-payments/${session}${query}`, {
        headers: {
          "x-publishable-api-key": shop.seeded.publishableKey,
          referer: `https://shop.example/thanks?session_id=${session}`,
        },
      })
      // biome-ignore lint/suspicious/noExplicitAny: answers are read, not built upon
      return { status: response.status, body: (await response.json()) as any }
    }

    it("when it was settled, and while the buyer waits, and the log hides the id", async () => {
      const session = await open()
      const waiting = ask(session.id, "?wait=20")
      const paid = shop.stripe.buyer.completeCheckout(session.id, { email: "ada@shop.example" })
      const intent = String(paid.payment_intent)
      const { body } = await waiting
      expect(body.payment).toMatchObject({ id: intent, status: "ordered", message: "Your order is placed." })
      const [row] = await shop.settled([intent])
      expect((await ask(session.id)).body.payment.order.id).toBe(row?.order_id)
      await shop.until("the request to be logged", () => shop.logs.includes("cs_test_hidden") || undefined)
      expect(shop.logs.split(`/store/stripe-payments/${session.id}`)).toHaveLength(1)
      expect(shop.logs.split(`session_id=${session.id}`)).toHaveLength(1)
    })

    it("also of a session in which nothing was to be paid", async () => {
      const coupon = await shop.client.coupons.create({ percent_off: 100, duration: "once" })
      const { id, row } = await buy({ discounts: [{ coupon: coupon.id }] })
      expect(row?.status).toBe("completed")
      expect((await ask(id)).body.payment).toMatchObject({ id, status: "ordered" })
    })

    it("and not to one who guesses", async () => {
      const { session } = await buy()
      const guessed = `${session.id.slice(0, -1)}${session.id.endsWith("a") ? "b" : "a"}`
      expect((await ask(guessed)).status).toBe(404)
      expect((await ask("cs_test_1")).status).toBe(400)
    })
  })
})
