import type { ApiRequest } from "@holdfast/stripe-local"
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import { closeShops } from "../setup/shop.ts"
import { endLocks } from "./standstill.ts"
import { StripeShop } from "./stripe-shop.ts"

const MUG = [{ sku: "MUG", quantity: 1 }]

/** Medusa's own flows end where ours goes on: an admin cancels, or cart completion dies in the middle. */
describe("an order that the shop cancels", () => {
  let shop: StripeShop
  beforeAll(async () => {
    shop = await StripeShop.open()
  })
  afterEach(() => {
    shop.stripe.delivery = {}
    shop.stripe.faults.clear()
  })
  afterAll(() => shop?.close())
  afterAll(closeShops)

  const asked = (end: string) => (request: ApiRequest) => !request.driver && request.path.endsWith(end)
  const cancel = async (intent: string) => {
    const { order_id } = await shop.payment(intent)
    await shop.admin("POST", `/admin/orders/${order_id}/cancel`)
  }
  /** What the shop has of the buyer's in Stripe, minor units. */
  const kept = async (intent: string) => {
    const { amount_received, amount_capturable } = await shop.client.paymentIntents.retrieve(intent)
    const { data } = await shop.client.refunds.list({ payment_intent: intent })
    // An authorization that is let go is a refund too, of money that was never received.
    const refunded = data.reduce((sum, { amount }) => sum + amount, 0)
    return amount_capturable + Math.max(0, amount_received - refunded)
  }
  const givenBack = async (intent: string) => {
    await shop.until("the money to go back", async () => (await kept(intent)) === 0 || undefined)
    return await shop.until("the end", async () => {
      const row = await shop.payment(intent)
      return ["canceled", "refunded"].includes(row.status) ? row : undefined
    })
  }

  it("while its capture is under way keeps no money and is not announced", async () => {
    const held = shop.stripe.faults.next(asked("/capture"), { hang: "after" })
    const intent = await shop.pay({ items: MUG, capture: "manual" })
    await held.reached
    await cancel(intent)
    held.release()
    const row = await givenBack(intent)
    expect(row.reason).toContain(`order ${row.order_id} was canceled in Medusa`)
    expect(shop.announcements(row.order_id)).toBe(0)
  })

  it("while Stripe is down keeps no money when Stripe is back", async () => {
    const faults = ["/capture", "/cancel"].map((end) =>
      shop.stripe.faults.next(asked(end), { status: 503, times: Number.POSITIVE_INFINITY }),
    )
    const intent = await shop.pay({ items: MUG, capture: "manual" })
    await shop.until("a failed capture", async () => (await shop.payment(intent))?.attempts > 0 || undefined)
    await cancel(intent)
    for (const fault of faults) {
      fault.remove()
    }
    expect(await givenBack(intent)).toMatchObject({ status: "canceled" })
  })

  it("and whose refund Stripe refuses at first gives the money back later, and shows it", async () => {
    const intent = await shop.pay({ items: MUG, capture: "manual" })
    const [row] = await shop.settled([intent])
    expect(row).toMatchObject({ status: "completed" })
    const fault = shop.stripe.faults.next(asked("/refunds"), { status: 503, times: Number.POSITIVE_INFINITY })
    await cancel(intent).catch(() => {})
    const [order] = await shop.rows<{ canceled: boolean }>(
      `SELECT canceled_at IS NOT NULL AS canceled FROM "order" WHERE id = $1`,
      [row?.order_id],
    )
    fault.remove()
    if (!order?.canceled) {
      await cancel(intent)
    }
    await givenBack(intent)
    const [sums] = await shop.rows(
      `SELECT (SELECT sum(amount)::float8 FROM order_transaction WHERE order_id = $1 AND deleted_at IS NULL) AS paid`,
      [row?.order_id],
    )
    expect(sums).toEqual({ paid: 0 })
  })

  it("is this payment's, where cart completion died before it recorded the payment", async () => {
    const { cartId, intentId } = await shop.checkout(MUG)
    shop.stripe.delivery = { hold: () => true }
    await shop.confirm(intentId)
    const held = shop.stripe.faults.next(asked(intentId), { hang: "before" })
    const completing = shop.store("POST", `/store/carts/${cartId}/complete`).catch(() => {})
    await held.reached
    await shop.restart()
    held.drop()
    await completing
    await endLocks(shop)
    shop.stripe.delivery = {}
    await shop.stripe.releaseHeld()
    const [row] = await shop.settled([intentId])
    expect(row).toMatchObject({ status: "completed", order_id: expect.any(String) })
    await shop.until("the announcement", () => shop.announcements(row?.order_id as string) || undefined)
    expect(await shop.client.paymentIntents.retrieve(intentId)).toMatchObject({ status: "succeeded" })
  })
})
