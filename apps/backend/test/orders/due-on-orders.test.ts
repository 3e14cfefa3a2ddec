import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { closeShops } from "../setup/shop.ts"
import { askFor, convert, drafted, openSession, SHIPPING } from "./due-on-orders.ts"
import { costOf, StripeShop } from "./stripe-shop.ts"

const MUG = [{ sku: "MUG", quantity: 1 }]
const MUG_PRICE = costOf(MUG, "usd") / 100

interface AdminOrder {
  status: string
  payment_status: string
  items: { id: string }[]
  summary: Record<string, number>
  payment_collections: {
    id: string
    amount: number
    status: string
    captured_amount: number | null
    payments: { id: string; captures: { amount: number }[] }[]
  }[]
}

/** An order exists, and the buyer pays what is due on it in a payment session of one of its payment collections. */
describe("what is due on an order that exists", () => {
  let shop: StripeShop
  beforeAll(async () => {
    shop = await StripeShop.open()
    await shop.putStock("MUG", 1000)
  })
  afterAll(() => shop?.close())
  afterAll(closeShops)

  const orderOf = async (id: string): Promise<AdminOrder> => {
    const fields =
      "+status,+payment_status,*items,*summary,*payment_collections,*payment_collections.payments,*payment_collections.payments.captures"
    return (await shop.admin("GET", `/admin/orders/${id}?fields=${fields}`)).order
  }

  const ordered = async (): Promise<string> => {
    const { intentId } = await shop.checkout(MUG)
    await shop.confirm(intentId)
    const [row] = await shop.settled([intentId])
    await shop.until("the announcement", () => shop.announcements(row?.order_id as string) || undefined)
    return row?.order_id as string
  }

  /** Sent to the buyer, who returns a unit of it or claims that it is broken. */
  const delivered = async (): Promise<{ orderId: string; lineId: string }> => {
    const orderId = await ordered()
    const lineId = (await orderOf(orderId)).items[0]?.id as string
    await shop.admin("POST", `/admin/orders/${orderId}/fulfillments`, {
      items: [{ id: lineId, quantity: 1 }],
      location_id: shop.seeded.locationId,
    })
    return { orderId, lineId }
  }

  /** The buyer pays; `announced` is how often the order has been announced. */
  const paysWhatIsDue = async (orderId: string, intent: string, due: number, announced = 1) => {
    const before = await orderOf(orderId)
    expect(before.summary).toMatchObject({ pending_difference: due })
    await shop.confirm(intent)
    const [row] = await shop.settled([intent])
    expect(row).toMatchObject({ status: "completed", order_id: orderId })
    expect(await shop.client.paymentIntents.retrieve(intent)).toMatchObject({
      status: "succeeded",
      amount_received: Math.round(due * 100),
    })
    const after = await orderOf(orderId)
    expect(after).toMatchObject({
      payment_status: "captured",
      summary: { pending_difference: 0, paid_total: (before.summary.paid_total as number) + due },
    })
    const [collection] = after.payment_collections.filter(({ amount }) => amount === due)
    expect(collection).toMatchObject({
      status: "completed",
      captured_amount: due,
      payments: [{ captures: [{ amount: due }] }],
    })
    expect(shop.announcements(orderId)).toBe(announced)
  }

  it("since it was edited is paid by it", async () => {
    const orderId = await ordered()
    await shop.admin("POST", "/admin/order-edits", { order_id: orderId })
    await shop.admin("POST", `/admin/order-edits/${orderId}/items`, {
      items: [{ variant_id: shop.variant("MUG").id, quantity: 2 }],
    })
    await shop.admin("POST", `/admin/order-edits/${orderId}/request`)
    await shop.admin("POST", `/admin/order-edits/${orderId}/confirm`)
    await paysWhatIsDue(orderId, await openSession(shop, "store", orderId), 2 * MUG_PRICE)
  })

  it.each(["automatic", "manual"] as const)(
    "that the admin drafted and placed is paid by it, with %s capture",
    async (capture) => {
      const orderId = await drafted(shop)
      await convert(shop, orderId)
      await askFor(shop, orderId, MUG_PRICE + SHIPPING)
      const intent = await openSession(shop, "store", orderId, capture)
      await paysWhatIsDue(orderId, intent, MUG_PRICE + SHIPPING)
    },
  )

  it("that is a draft still is paid by it, and placed by the admin afterwards", async () => {
    const orderId = await drafted(shop)
    await askFor(shop, orderId, MUG_PRICE + SHIPPING)
    const intent = await openSession(shop, "admin", orderId)
    await paysWhatIsDue(orderId, intent, MUG_PRICE + SHIPPING, 0)
    await convert(shop, orderId)
    expect(shop.announcements(orderId)).toBe(1)
    expect(await orderOf(orderId)).toMatchObject({
      status: "pending",
      payment_status: "captured",
      summary: { pending_difference: 0 },
    })
  })

  it("for an exchange is paid by it", async () => {
    const { orderId, lineId } = await delivered()
    const { exchange } = await shop.admin("POST", "/admin/exchanges", { order_id: orderId })
    const path = `/admin/exchanges/${exchange.id}`
    await shop.admin("POST", `${path}/inbound/items`, { items: [{ id: lineId, quantity: 1 }] })
    await shop.admin("POST", `${path}/outbound/items`, {
      items: [{ variant_id: shop.variant("MUG").id, quantity: 3 }],
    })
    await shop.admin("POST", `${path}/request`)
    await paysWhatIsDue(orderId, await openSession(shop, "store", orderId), 2 * MUG_PRICE)
  })

  it("for a claim, whose replacement costs more, is paid by it", async () => {
    const { orderId, lineId } = await delivered()
    const { claim } = await shop.admin("POST", "/admin/claims", { type: "replace", order_id: orderId })
    const path = `/admin/claims/${claim.id}`
    await shop.admin("POST", `${path}/claim-items`, { items: [{ id: lineId, quantity: 1 }] })
    await shop.admin("POST", `${path}/inbound/items`, { items: [{ id: lineId, quantity: 1 }] })
    await shop.admin("POST", `${path}/outbound/items`, {
      items: [{ variant_id: shop.variant("MUG").id, quantity: 2 }],
    })
    await shop.admin("POST", `${path}/request`)
    const due = (await orderOf(orderId)).summary.pending_difference as number
    expect(due).toBeGreaterThan(0)
    await paysWhatIsDue(orderId, await openSession(shop, "admin", orderId), due)
  })

  it("needs review where another amount is paid, with both amounts named", async () => {
    const orderId = await drafted(shop)
    await convert(shop, orderId)
    await askFor(shop, orderId, MUG_PRICE + SHIPPING)
    const intent = await openSession(shop, "store", orderId)
    await shop.client.paymentIntents.update(intent, { amount: 2000 })
    await shop.confirm(intent)
    const [row] = await shop.settled([intent])
    expect(row).toMatchObject({
      status: "review",
      reason: `paid 20.00 USD, but 19.50 USD was asked for order ${orderId}`,
    })
    expect(await shop.client.paymentIntents.retrieve(intent)).toMatchObject({ status: "requires_capture" })
  })

  it("goes back where the admin canceled the order before the buyer paid", async () => {
    const orderId = await drafted(shop)
    await convert(shop, orderId)
    await askFor(shop, orderId, MUG_PRICE + SHIPPING)
    const intent = await openSession(shop, "store", orderId)
    await shop.admin("POST", `/admin/orders/${orderId}/cancel`)
    await shop.confirm(intent)
    const [row] = await shop.settled([intent])
    expect(row).toMatchObject({ status: "canceled" })
    expect(await shop.client.paymentIntents.retrieve(intent)).toMatchObject({
      status: "canceled",
      amount_received: 0,
    })
  })

  it("needs review where the admin deleted the draft before the buyer paid", async () => {
    const orderId = await drafted(shop)
    await askFor(shop, orderId, MUG_PRICE + SHIPPING)
    const intent = await openSession(shop, "store", orderId)
    await shop.admin("DELETE", `/admin/draft-orders/${orderId}`)
    await shop.confirm(intent)
    const [row] = await shop.settled([intent])
    expect(row).toMatchObject({
      status: "review",
      reason: expect.stringMatching(/^payment session payses_\w+ was deleted in Medusa$/),
    })
    expect(await shop.client.paymentIntents.retrieve(intent)).toMatchObject({ status: "requires_capture" })
  })
})
