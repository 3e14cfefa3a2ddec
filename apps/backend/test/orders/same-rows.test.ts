import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { closeShops } from "../setup/shop.ts"
import { StripeShop } from "./stripe-shop.ts"

/**
 * The rows of an order that came by webhook, beside those of an equal cart that Medusa's own complete-cart made an order
 * of: the same columns have the same values, but for ids and times. Fails loudly where a release of Medusa writes more.
 */
describe("an order's rows, table by table and column by column,", () => {
  let shop: StripeShop
  beforeAll(async () => {
    shop = await StripeShop.open({ CAPTURE_METHOD: "automatic" })
    await shop.offerTenPercent("items", "eur")
  })
  afterAll(() => shop?.close())
  afterAll(closeShops)

  const ITEMS = [
    { sku: "MUG", quantity: 2 },
    { sku: "SHIRT-M", quantity: 1 },
  ]
  const checkout = () =>
    shop.checkout(ITEMS, { currency: "eur", promotion: "TEN", email: "grace@shop.example" })
  const isOf = (intentId: string) => (event: unknown) => JSON.stringify(event).includes(intentId)

  async function byWebhook(): Promise<string> {
    const { intentId } = await checkout()
    await shop.confirm(intentId)
    const [payment] = await shop.settled([intentId])
    return payment?.order_id ?? ""
  }

  async function byCompleteCart(): Promise<string> {
    const { cartId, intentId } = await checkout()
    shop.stripe.delivery = { hold: isOf(intentId) }
    await shop.confirm(intentId)
    const { order } = await shop.store("POST", `/store/carts/${cartId}/complete`)
    return order.id
  }

  /** Where an order's rows are found. */
  const TABLES: [string, string][] = [
    ["order", `id = $1`],
    ["order_summary", `order_id = $1`],
    ["order_transaction", `order_id = $1`],
    ["order_item", `order_id = $1`],
    ["order_line_item", `id IN (SELECT item_id FROM order_item WHERE order_id = $1)`],
    ["order_line_item_tax_line", `item_id IN (SELECT item_id FROM order_item WHERE order_id = $1)`],
    ["order_line_item_adjustment", `item_id IN (SELECT item_id FROM order_item WHERE order_id = $1)`],
    ["order_shipping", `order_id = $1`],
    ["order_shipping_method", `id IN (SELECT shipping_method_id FROM order_shipping WHERE order_id = $1)`],
    [
      "order_shipping_method_tax_line",
      `shipping_method_id IN (SELECT shipping_method_id FROM order_shipping WHERE order_id = $1)`,
    ],
    [
      "order_address",
      `id IN (SELECT unnest(ARRAY[shipping_address_id, billing_address_id]) FROM "order" WHERE id = $1)`,
    ],
    ["order_cart", `order_id = $1`],
    ["order_promotion", `order_id = $1`],
    ["order_payment_collection", `order_id = $1`],
    [
      "payment_collection",
      `id IN (SELECT payment_collection_id FROM order_payment_collection WHERE order_id = $1)`,
    ],
    [
      "payment_session",
      `payment_collection_id IN (SELECT payment_collection_id FROM order_payment_collection WHERE order_id = $1)`,
    ],
    [
      "payment",
      `payment_collection_id IN (SELECT payment_collection_id FROM order_payment_collection WHERE order_id = $1)`,
    ],
    [
      "capture",
      `payment_id IN (SELECT id FROM payment WHERE payment_collection_id IN
         (SELECT payment_collection_id FROM order_payment_collection WHERE order_id = $1))`,
    ],
    ["reservation_item", `line_item_id IN (SELECT item_id FROM order_item WHERE order_id = $1)`],
  ]

  async function rowsOf(orderId: string): Promise<Record<string, string[]>> {
    const tables: Record<string, string[]> = {}
    for (const [table, condition] of TABLES) {
      const rows = await shop.rows(`SELECT * FROM "${table}" WHERE ${condition}`, [orderId])
      tables[table] = rows.map((row) => JSON.stringify(likened(row))).sort()
    }
    return tables
  }

  /** What must differ between two orders is made alike: ids, times, order numbers. */
  function likened(value: unknown, column = ""): unknown {
    if (value === null) return null
    if (column === "display_id") return "a number"
    if (column === "data") return "as Stripe answered"
    if (column.endsWith("_at") || value instanceof Date) return "a time"
    if (column === "id" || column.endsWith("_id"))
      return typeof value === "string" ? value.replace(/_.*/, "") : value
    if (Array.isArray(value)) return value.map((one) => likened(one))
    if (typeof value === "object") {
      const fields = Object.entries(value).map(([name, field]) => [name, likened(field, name)])
      return Object.fromEntries(fields.sort(([a], [b]) => String(a).localeCompare(String(b))))
    }
    return value
  }

  it("are those that Medusa's own cart completion writes", async () => {
    const theirs = await rowsOf(await byCompleteCart())
    shop.stripe.delivery = {}
    const ours = await rowsOf(await byWebhook())
    for (const [table] of TABLES) {
      expect.soft(ours[table], table).toEqual(theirs[table])
      expect.soft(theirs[table]?.length, `${table} has rows`).toBeGreaterThan(0)
    }
  })
})
