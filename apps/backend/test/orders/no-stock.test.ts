import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { closeShops } from "../setup/shop.ts"
import { costOf, HOT, StripeShop } from "./stripe-shop.ts"

interface Item {
  id: string
  quantity: number
  variant_sku: string
  variant_id: string
}

interface Order {
  id: string
  total: number
  payment_status: string
  metadata: Record<string, unknown> | null
  items: Item[]
  summary: {
    pending_difference: number
    paid_total: number
    refunded_total: number
    transaction_total: number
  }
}

/** What becomes of an order whose items are not in stock, or not in one place. The shop's hooks read the metadata. */
describe("an order", () => {
  let shop: StripeShop
  let annex: string
  beforeAll(async () => {
    shop = await StripeShop.open({ SHOP_HOOKS_ORDERS: "true" })
    const { stock_location } = await shop.admin("POST", "/admin/stock-locations", { name: "Annex" })
    annex = stock_location.id
    await shop.admin("POST", `/admin/stock-locations/${annex}/sales-channels`, {
      add: [shop.seeded.salesChannelId],
    })
  })
  afterAll(() => shop?.close())
  afterAll(closeShops)

  const here = () => shop.seeded.locationId

  /** Sets what each place has of an item; a place that is left out does not keep it. */
  async function keep(sku: string, units: { here?: number; annex?: number }) {
    const item = shop.itemOf(sku)
    await shop.rows("UPDATE reservation_item SET deleted_at = now() WHERE inventory_item_id = $1", [item])
    await shop.rows("DELETE FROM inventory_level WHERE inventory_item_id = $1", [item])
    for (const [location_id, stocked_quantity] of [
      [here(), units.here],
      [annex, units.annex],
    ] as const) {
      if (stocked_quantity !== undefined) {
        await shop.admin("POST", `/admin/inventory-items/${item}/location-levels`, {
          location_id,
          stocked_quantity,
        })
      }
    }
  }

  async function left(sku: string): Promise<{ here?: number; annex?: number }> {
    const rows = await shop.rows<{ location_id: string; available: number; agrees: boolean }>(
      `SELECT location_id, (stocked_quantity - reserved_quantity)::float8 AS available,
              reserved_quantity = (SELECT COALESCE(sum(quantity), 0) FROM reservation_item AS r
                WHERE r.inventory_item_id = l.inventory_item_id AND r.location_id = l.location_id AND r.deleted_at IS NULL)
                AND reserved_quantity = (raw_reserved_quantity->>'value')::numeric AS agrees
         FROM inventory_level AS l WHERE inventory_item_id = $1`,
      [shop.itemOf(sku)],
    )
    expect(rows.filter(({ agrees }) => !agrees)).toEqual([])
    return Object.fromEntries(
      rows.map((row) => [row.location_id === annex ? "annex" : "here", row.available]),
    )
  }

  async function buy(lines: Record<string, number>, metadata: Record<string, string> = {}, more = {}) {
    const items = Object.entries(lines).map(([sku, quantity]) => ({ sku, quantity }))
    const bought = items.map(({ sku, quantity }) => ({ variant_id: shop.variant(sku).id, quantity }))
    const intent = await shop.pay({
      items,
      metadata: { items: JSON.stringify(bought), ...metadata },
      ...more,
    })
    const [row] = await shop.settled([intent])
    return { intent, items, row }
  }

  async function orderOf(id: string | null | undefined): Promise<Order> {
    const fields = "+payment_status,+metadata,+total,*items,*summary"
    return (await shop.admin("GET", `/admin/orders/${id}?fields=${fields}`)).order
  }

  const linesOf = ({ items }: Order) =>
    items.map(({ variant_sku, quantity }) => `${quantity} ${variant_sku}`).sort()

  async function fulfil(order: Order, item: Item, location_id: string) {
    await shop.admin("POST", `/admin/orders/${order.id}/fulfillments`, {
      items: [{ id: item.id, quantity: item.quantity }],
      location_id,
      shipping_option_id: shop.seeded.shippingOptionId,
    })
  }

  describe("whose items lie at several places", () => {
    it("is served by the place that can serve the most of it", async () => {
      await keep(HOT, { here: 1, annex: 3 })
      await keep("MUG", { here: 1, annex: 9 })
      const { row } = await buy({ [HOT]: 1, MUG: 2 })
      expect(row).toMatchObject({ status: "completed" })
      expect([await left(HOT), await left("MUG")]).toEqual([
        { here: 1, annex: 2 },
        { here: 1, annex: 7 },
      ])
    })

    it("is served where the store's own rule says", async () => {
      await keep(HOT, { here: 1, annex: 3 })
      const { row } = await buy({ [HOT]: 1 }, { locations: here() })
      expect(row).toMatchObject({ status: "completed" })
      expect(await left(HOT)).toEqual({ here: 0, annex: 3 })
      const { row: refused } = await buy({ [HOT]: 1 }, { locations: here() })
      expect(refused).toMatchObject({ status: "refunded", order_id: null })
    })

    it.each([
      ["sloc_nowhere", "sloc_nowhere is no stock location of the order's sales channel"],
      ["none", "it names no stock location of the order's sales channel"],
    ])("needs review where the store's own rule names %s, and keeps its money", async (locations, why) => {
      await keep(HOT, { here: 1, annex: 3 })
      const { row } = await buy({ [HOT]: 1 }, { locations })
      expect(row).toMatchObject({ status: "review", order_id: null })
      expect(row?.reason).toBe(
        `the store's stockLocations hook gave an answer that can't be used: ${why} ${shop.seeded.salesChannelId}`,
      )
      expect(await left(HOT)).toEqual({ here: 1, annex: 3 })
    })

    it("has a line for each place where none can serve it, and is fulfilled from both in the admin", async () => {
      await keep(HOT, { here: 2, annex: 1 })
      const { row, items } = await buy({ [HOT]: 3 })
      expect(row).toMatchObject({ status: "completed" })
      expect(await left(HOT)).toEqual({ here: 0, annex: 0 })
      const order = await orderOf(row?.order_id)
      expect(linesOf(order)).toEqual([`1 ${HOT}`, `2 ${HOT}`])
      expect(order).toMatchObject({ total: costOf(items, "usd") / 100, payment_status: "captured" })
      const byQuantity = [...order.items].sort((a, b) => b.quantity - a.quantity)
      await fulfil(order, byQuantity[0] as Item, here())
      await fulfil(order, byQuantity[1] as Item, annex)
      const stocked = await shop.rows(
        `SELECT stocked_quantity::int AS stocked, reserved_quantity::int AS reserved FROM inventory_level WHERE inventory_item_id = $1`,
        [shop.itemOf(HOT)],
      )
      expect(stocked).toEqual([
        { stocked: 0, reserved: 0 },
        { stocked: 0, reserved: 0 },
      ])
    })

    it("takes the discount along to both lines of a cart", async () => {
      await keep(HOT, { here: 1, annex: 1 })
      await shop.offerTenPercent("items", "usd")
      const lines = [{ sku: HOT, quantity: 2 }]
      const { intentId } = await shop.checkout(lines, { promotion: "TEN" })
      await shop.confirm(intentId)
      const [row] = await shop.settled([intentId])
      expect(row).toMatchObject({ status: "completed" })
      const order = await orderOf(row?.order_id)
      expect(linesOf(order)).toEqual([`1 ${HOT}`, `1 ${HOT}`])
      const { amount_received } = await shop.client.paymentIntents.retrieve(intentId)
      expect(order).toMatchObject({ total: amount_received / 100, payment_status: "captured" })
      expect(order.summary.pending_difference).toBe(0)
    })

    it("has all parts of a kit from one place, and is not sold where they lie apart", async () => {
      await keep("MUG", { here: 1, annex: 1 })
      const { row } = await buy({ "MUG-PAIR": 1 })
      expect(row).toMatchObject({ status: "refunded" })
      expect(await left("MUG")).toEqual({ here: 1, annex: 1 })
      await keep("MUG", { here: 1, annex: 2 })
      const { row: served } = await buy({ "MUG-PAIR": 1 })
      expect(served).toMatchObject({ status: "completed" })
      expect(await left("MUG")).toEqual({ here: 1, annex: 0 })
    })
  })

  describe("whose items are not in stock", () => {
    it("is refunded, and the row says what was missing, by its name", async () => {
      await keep(HOT, { here: 1 })
      const { row } = await buy({ [HOT]: 2 })
      expect(row).toMatchObject({ status: "refunded", order_id: null })
      expect(row?.reason).toMatch(new RegExp(`^out of stock: 2 of .+ \\(${HOT}\\) wanted, 1 available$`))
    })

    it("waits for a person where the store says so, and is served when there is stock", async () => {
      await keep(HOT, { here: 0 })
      const { row, intent } = await buy({ [HOT]: 1 }, { out_of_stock: "review" })
      expect(row).toMatchObject({ status: "review", order_id: null })
      expect(row?.reason).toContain("out of stock")
      await keep(HOT, { here: 1 })
      await shop.admin("POST", `/admin/stripe-payments/${intent}/retry`)
      await shop.until(
        "the order",
        async () => (await shop.payment(intent)).status === "completed" || undefined,
      )
      expect(await left(HOT)).toEqual({ here: 0 })
    })

    it("is made as a backorder where the store says so", async () => {
      await keep(HOT, { here: 1 })
      const { row } = await buy({ [HOT]: 3 }, { out_of_stock: "backorder" })
      expect(row).toMatchObject({ status: "completed" })
      expect(row?.reason).toContain("backordered: 3 of")
      expect(await left(HOT)).toEqual({ here: -2 })
    })

    it("needs review where the item may be backordered, but no place keeps it", async () => {
      await keep(HOT, {})
      const variant = `/admin/products/${await productOf(HOT)}/variants/${shop.variant(HOT).id}`
      await shop.admin("POST", variant, { allow_backorder: true })
      const { row } = await buy({ [HOT]: 1 })
      await shop.admin("POST", variant, { allow_backorder: false })
      expect(row).toMatchObject({ status: "review", order_id: null })
      expect(row?.reason).toContain("may be backordered, but has no inventory level")
    })

    async function productOf(sku: string): Promise<string> {
      const [row] = await shop.rows<{ product_id: string }>(
        `SELECT product_id FROM product_variant WHERE sku = $1`,
        [sku],
      )
      return row?.product_id ?? ""
    }
  })

  describe("of which a part is in stock, where the store serves parts", () => {
    const part = { out_of_stock: "partial" }

    it("is of what there is, and the rest of the money goes back", async () => {
      await keep(HOT, { here: 1 })
      await keep("MUG", { here: 9 })
      const { row, intent } = await buy({ [HOT]: 3, MUG: 1 }, part)
      expect(row).toMatchObject({ status: "completed" })
      expect(row?.reason).toContain("served in part")
      const paid = costOf(
        [
          { sku: HOT, quantity: 1 },
          { sku: "MUG", quantity: 1 },
        ],
        "usd",
      )
      const { data } = await shop.client.refunds.list({ payment_intent: intent })
      expect(data.map(({ amount }) => amount)).toEqual([costOf([{ sku: HOT, quantity: 2 }], "usd")])
      const order = await orderOf(row?.order_id)
      expect(linesOf(order)).toEqual([`1 ${HOT}`, "1 MUG"])
      expect(order.total).toBe(paid / 100)
      expect(order.summary).toMatchObject({ pending_difference: 0, transaction_total: paid / 100 })
      expect(await left(HOT)).toEqual({ here: 0 })
    })

    it("takes only its part of an authorization", async () => {
      await keep(HOT, { here: 1 })
      const { row, intent } = await buy({ [HOT]: 2 }, part, { capture: "manual" })
      expect(row).toMatchObject({ status: "completed" })
      const taken = costOf([{ sku: HOT, quantity: 1 }], "usd")
      expect(await shop.client.paymentIntents.retrieve(intent)).toMatchObject({ amount_received: taken })
      const order = await orderOf(row?.order_id)
      expect(order).toMatchObject({ total: taken / 100, payment_status: "captured" })
      expect(order.summary.pending_difference).toBe(0)
    })

    it("is refunded where there is nothing", async () => {
      await keep(HOT, { here: 0 })
      const { row } = await buy({ [HOT]: 2 }, part)
      expect(row).toMatchObject({ status: "refunded", order_id: null })
    })

    it("has its rest refunded once, though Stripe's answer is lost", async () => {
      await keep(HOT, { here: 1 })
      shop.stripe.faults.next("POST /v1/refunds", { drop: "after", times: 2 })
      const { row, intent } = await buy({ [HOT]: 2 }, part)
      expect(row).toMatchObject({ status: "completed" })
      const { data } = await shop.client.refunds.list({ payment_intent: intent })
      expect(data).toHaveLength(1)
    })

    it("needs review where the refund of its rest fails, and a retry makes a new one", async () => {
      await keep(HOT, { here: 1 })
      const { row, intent } = await buy({ [HOT]: 2 }, part)
      expect(row).toMatchObject({ status: "completed" })
      const refunds = async () => (await shop.client.refunds.list({ payment_intent: intent })).data
      shop.stripe.bank.failRefund((await refunds())[0]?.id ?? "", "lost_or_stolen_card")
      const status = async (wanted: string) =>
        await shop.until(wanted, async () => (await shop.payment(intent)).status === wanted || undefined)
      await status("review")
      expect((await shop.payment(intent)).reason).toContain("failed in Stripe")
      await shop.admin("POST", `/admin/stripe-payments/${intent}/retry`)
      await status("completed")
      expect((await refunds()).map(({ status }) => status)).toEqual(["succeeded", "failed"])
      expect((await orderOf(row?.order_id)).summary.pending_difference).toBe(0)
    })
  })

  it("has what the store's own rule adds, or is held back by it", async () => {
    await keep("MUG", { here: 9 })
    const { row } = await buy({ MUG: 1 }, { campaign: "autumn" })
    expect((await orderOf(row?.order_id)).metadata).toMatchObject({ campaign: "autumn" })
    const { row: held } = await buy({ MUG: 1 }, { suspicious: "ten cards in a minute" })
    expect(held).toMatchObject({ status: "review", order_id: null })
    expect(held?.reason).toBe("the store's orderDraft hook says: ten cards in a minute")
    const { row: wrong } = await buy({ MUG: 1 }, { out_of_stock: "shrug" })
    expect(wrong?.reason).toContain("the store's outOfStock hook gave an answer that can't be used")
  })
})
