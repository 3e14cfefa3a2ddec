import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { itemsMetadata } from "../../../../packages/medusa-stripe-orders/src/items-metadata.ts"
import { closeShops } from "../setup/shop.ts"
import { StripeShop } from "./stripe-shop.ts"

interface Address {
  line1: string
  city: string
  postal_code: string
  state: string
  country: string
}

const MAINE: Address = { line1: "1 Quay", city: "Bath", postal_code: "04530", state: "ME", country: "US" }

/** An order of items has the prices, the region, the taxes and the customer that a cart of the same buyer would have. */
describe("an order of a list of items", () => {
  let shop: StripeShop
  beforeAll(async () => {
    shop = await StripeShop.open()
  })
  afterAll(() => shop?.close())
  afterAll(closeShops)

  async function buy(
    sku: string,
    quantity: number,
    amount: number,
    more: {
      currency?: string
      email?: string
      address?: Address | null
      name?: string
      metadata?: Record<string, string>
    } = {},
  ) {
    const {
      currency = "usd",
      email = "buyer@shop.example",
      address = MAINE,
      name = "Ada Lovelace",
      metadata = {},
    } = more
    const { id } = await shop.client.paymentIntents.create({
      amount,
      currency,
      receipt_email: email,
      metadata: { ...itemsMetadata([{ variant_id: shop.variant(sku).id, quantity }]), ...metadata },
      ...(address && { shipping: { name, address } }),
    })
    await shop.confirm(id)
    const [row] = await shop.settled([id])
    return row
  }

  const orderOf = async (row: { order_id: string | null } | undefined) =>
    (
      await shop.admin(
        "GET",
        `/admin/orders/${row?.order_id}?fields=+total,+tax_total,+region_id,+customer_id,*items,*shipping_address`,
      )
    ).order

  async function register(email: string): Promise<string> {
    const id = `cus_${email.length}${Date.now()}`
    await shop.rows(`INSERT INTO customer (id, email, has_account) VALUES ($1, $2, true)`, [id, email])
    return id
  }

  it("has the price of its quantity, where the shop has tiers", async () => {
    const [row] = await shop.rows<{ price_set_id: string }>(
      `SELECT price_set_id FROM product_variant_price_set WHERE variant_id = $1`,
      [shop.variant("SHIRT-S").id],
    )
    await shop.rows(
      `INSERT INTO price (id, price_set_id, currency_code, amount, raw_amount, min_quantity, raw_min_quantity, rules_count)
       VALUES ('price_tier', $1, 'usd', 7, '{"value":"7","precision":20}', 5, '{"value":"5","precision":20}', 0)`,
      [row?.price_set_id],
    )
    expect(await buy("SHIRT-S", 5, 3500)).toMatchObject({ status: "completed" })
    const few = await buy("SHIRT-S", 2, 1400)
    expect(few).toMatchObject({ status: "review" })
    expect(few?.reason).toContain("but the order comes to")
  })

  it("has the prices of its buyer's group, however the e-mail address is written", async () => {
    const { customer_group } = await shop.admin("POST", "/admin/customer-groups", { name: "Trade" })
    const customer = await register("Trade.Buyer@Shop.example")
    await shop.admin("POST", `/admin/customer-groups/${customer_group.id}/customers`, { add: [customer] })
    await shop.admin("POST", "/admin/price-lists", {
      title: "Trade",
      description: "For the trade",
      status: "active",
      type: "override",
      rules: { "customer.groups.id": [customer_group.id] },
      prices: [{ variant_id: shop.variant("MUG").id, currency_code: "usd", amount: 9 }],
    })
    const row = await buy("MUG", 2, 1800, { email: "trade.buyer@shop.EXAMPLE" })
    expect(row).toMatchObject({ status: "completed" })
    expect((await orderOf(row)).customer_id).toBe(customer)
    const other = await buy("MUG", 2, 1800)
    expect(other).toMatchObject({ status: "review" })
  })

  it("is the registered customer's, not a second guest's, in upper or lower case", async () => {
    const customer = await register("Grace@Shop.example")
    const row = await buy("LANTERN-STANDARD", 1, 4800, { email: "grace@shop.example" })
    expect((await orderOf(row)).customer_id).toBe(customer)
    expect(await shop.count(`customer WHERE lower(email) = 'grace@shop.example'`)).toBe(1)
  })

  it.each(["cus_nope", "cus_NffrFeUfNV2Hib"])(
    "needs review where it names the customer %s, who is not the shop's",
    async (id) => {
      const row = await buy("LANTERN-STANDARD", 1, 4800, { metadata: { customer_id: id } })
      expect(row).toMatchObject({ status: "review", order_id: null, reason: `customer ${id} does not exist` })
    },
  )

  it("has the buyer's first name, though spaces stand before it", async () => {
    const row = await buy("LANTERN-STANDARD", 1, 4800, { name: "  Ada  King Lovelace " })
    expect((await orderOf(row)).shipping_address).toMatchObject({
      first_name: "Ada",
      last_name: "King Lovelace",
    })
  })

  it("is of the customer whom it names", async () => {
    const customer = await register("named@shop.example")
    const row = await buy("LANTERN-STANDARD", 1, 4800, { metadata: { customer_id: customer } })
    expect((await orderOf(row)).customer_id).toBe(customer)
  })

  it("needs review where it names a region of another currency", async () => {
    const region_id = shop.seeded.regions.eur?.id as string
    const row = await buy("LANTERN-STANDARD", 1, 4800, { metadata: { region_id } })
    expect(row).toMatchObject({ status: "review", order_id: null })
    expect(row?.reason).toBe(`region ${region_id} sells in EUR, but the payment is in USD`)
  })

  describe("where several regions share a currency", () => {
    let north: string
    beforeAll(async () => {
      const { region } = await shop.admin("POST", "/admin/regions", {
        name: "North",
        currency_code: "usd",
        countries: ["no", "is"],
        payment_providers: ["pp_stripe_stripe"],
      })
      north = region.id
    })

    const to = (country: string) => ({ address: { ...MAINE, state: "", country } })

    it("is of the one that ships to its country", async () => {
      const row = await buy("LANTERN-STANDARD", 1, 4800, to("NO"))
      expect((await orderOf(row)).region_id).toBe(north)
      const home = await buy("LANTERN-STANDARD", 1, 4800)
      expect((await orderOf(home)).region_id).toBe(shop.seeded.regions.usd?.id)
    })

    it("needs review where none ships there, and is of the one that the payment names", async () => {
      const row = await buy("LANTERN-STANDARD", 1, 4800, to("NZ"))
      expect(row).toMatchObject({
        status: "review",
        reason: "no region sells in usd to NZ, and several do elsewhere",
      })
      const named = await buy("LANTERN-STANDARD", 1, 4800, { ...to("NZ"), metadata: { region_id: north } })
      expect((await orderOf(named)).region_id).toBe(north)
    })
  })

  it("has the taxes of its state, which Medusa names otherwise than Stripe", async () => {
    const { tax_regions } = await shop.admin("GET", "/admin/tax-regions?country_code=us")
    const parent =
      tax_regions[0]?.id ??
      (await shop.admin("POST", "/admin/tax-regions", { country_code: "us" })).tax_region.id
    await shop.admin("POST", "/admin/tax-regions", {
      country_code: "us",
      parent_id: parent,
      province_code: "us-me",
      default_tax_rate: { name: "Maine", code: "me", rate: 5.5 },
    })
    const row = await buy("LANTERN-STANDARD", 1, 5064)
    expect(row).toMatchObject({ status: "completed" })
    const order = await orderOf(row)
    expect(order.tax_total).toBeCloseTo(2.64, 8)
    expect(order.shipping_address.province).toBe("us-me")
    for (const state of ["me", "Maine", "US-ME"]) {
      expect(await buy("LANTERN-STANDARD", 1, 5064, { address: { ...MAINE, state } })).toMatchObject({
        status: "completed",
      })
    }
  })

  it("may have 40 lines, which metadata takes in several keys", async () => {
    const variants = ["SHIRT-M", "LANTERN-STANDARD"]
    const items = Array.from({ length: 40 }, (_, n) => ({
      variant_id: shop.variant(variants[n % 2] as string).id,
      quantity: 2,
    }))
    const metadata = itemsMetadata(items)
    expect(Object.keys(metadata)).toEqual(["items_1", "items_2", "items_3"])
    const cost = (
      await shop.rows<{ sum: string }>(
        `SELECT sum(price.amount) * 40 AS sum FROM price JOIN product_variant_price_set AS link ON link.price_set_id = price.price_set_id
         JOIN product_variant AS v ON v.id = link.variant_id WHERE v.sku = ANY($1) AND price.currency_code = 'usd' AND price.min_quantity IS NULL`,
        [variants],
      )
    )[0]?.sum
    const { id } = await shop.client.paymentIntents.create({
      amount: Math.round(Number(cost) * 100),
      currency: "usd",
      receipt_email: "many@shop.example",
      metadata,
      shipping: { name: "Ada Lovelace", address: { ...MAINE, state: "NY" } },
    })
    await shop.confirm(id)
    const [row] = await shop.settled([id])
    expect(row).toMatchObject({ status: "completed" })
    expect((await orderOf(row)).items).toHaveLength(40)
  })
})
