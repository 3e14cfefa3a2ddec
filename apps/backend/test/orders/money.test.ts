import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import { closeShops } from "../setup/shop.ts"
import { costOf, StripeShop, times } from "./stripe-shop.ts"

const MUG = [{ sku: "MUG", quantity: 1 }]
const COST = costOf(MUG, "usd")

interface AdminOrder {
  id: string
  status: string
  payment_status: string
  metadata: Record<string, unknown> | null
  summary: Record<string, number>
  payment_collections: {
    captured_amount: number
    refunded_amount: number
    payments: {
      id: string
      refunds: { amount: number; metadata: { stripe_refund_id?: string } | null }[]
      captures: { amount: number }[]
    }[]
  }[]
}

/** What moves in Stripe, or in Medusa, after the order was made: both sides show the same. */
describe("money that moves after the order", () => {
  let shop: StripeShop
  beforeAll(async () => {
    shop = await StripeShop.open()
  })
  afterEach(() => {
    shop.stripe.delivery = {}
  })
  afterAll(() => shop?.close())
  afterAll(closeShops)

  const bought = async (capture: "automatic" | "manual" = "automatic") => {
    const intent = await shop.pay({ items: MUG, capture })
    const [row] = await shop.settled([intent])
    expect(row).toMatchObject({ status: "completed" })
    return { intent, orderId: row?.order_id as string }
  }
  const order = async (id: string): Promise<AdminOrder> => {
    const fields =
      "+status,+payment_status,+metadata,*summary,*payment_collections,*payment_collections.payments,*payment_collections.payments.refunds,*payment_collections.payments.captures"
    return (await shop.admin("GET", `/admin/orders/${id}?fields=${fields}`)).order
  }
  const refundsOf = async (id: string) =>
    (await order(id)).payment_collections.flatMap(({ payments }) =>
      payments.flatMap(({ refunds }) => refunds.map(({ amount }) => amount)),
    )
  /** Every event that Stripe has sent about the payment is worked through. */
  const recorded = async (intent: string, count = 1) =>
    await shop.until(`what moved of ${intent} to be recorded`, async () => {
      const [row] = await shop.rows<{ lines: number; status: string; events: number }>(
        `SELECT status, (SELECT count(*)::int FROM stripe_event WHERE payment_intent_id = p.id AND status = 'pending') AS events,
                (SELECT count(*)::int FROM stripe_timeline WHERE payment_intent_id = p.id
                    AND text LIKE 'Recorded on the order%') AS lines
           FROM stripe_payment AS p WHERE id = $1`,
        [intent],
      )
      return row && row.lines >= count && row.events === 0 && row.status !== "money_moved" ? row : undefined
    })

  it("shows a part that was refunded in Stripe, and nothing is due for it", async () => {
    const { intent, orderId } = await bought()
    const refund = await shop.client.refunds.create({ payment_intent: intent, amount: 300 })
    await recorded(intent)
    expect(await order(orderId)).toMatchObject({
      payment_status: "partially_refunded",
      summary: { pending_difference: 0, paid_total: COST / 100, refunded_total: 3 },
      payment_collections: [
        {
          captured_amount: COST / 100,
          refunded_amount: 3,
          payments: [{ refunds: [{ amount: 3, metadata: { stripe_refund_id: refund.id } }] }],
        },
      ],
    })
  })

  it("shows each of several refunds once, whatever comes how often", async () => {
    const { intent, orderId } = await bought()
    shop.stripe.delivery = { duplicate: () => 2 }
    await times(3, (i) => shop.client.refunds.create({ payment_intent: intent, amount: 100 + i }))
    await shop.until("the refunds", async () => (await refundsOf(orderId)).length >= 3 || undefined)
    await recorded(intent)
    expect((await refundsOf(orderId)).sort()).toEqual([1, 1.01, 1.02])
    expect(await order(orderId)).toMatchObject({ summary: { pending_difference: 0 } })
  })

  it("shows a refund of all", async () => {
    const { intent, orderId } = await bought("manual")
    await shop.client.refunds.create({ payment_intent: intent })
    await recorded(intent)
    expect(await order(orderId)).toMatchObject({
      status: "pending",
      payment_status: "refunded",
      summary: { pending_difference: 0, paid_total: COST / 100, refunded_total: COST / 100 },
    })
  })

  it("shows a refund that was made in Medusa's admin once", async () => {
    const { intent, orderId } = await bought()
    const payment = (await order(orderId)).payment_collections[0]?.payments[0]?.id
    await shop.admin("POST", `/admin/payments/${payment}/refund`, { amount: 2 })
    await shop.until("Stripe's events of it", async () => {
      const [refund] = await shop.rows<{ name: string }>(
        `SELECT metadata->>'stripe_refund_id' AS name FROM refund WHERE payment_id = $1 AND deleted_at IS NULL`,
        [payment],
      )
      return refund?.name ?? undefined
    })
    expect(await refundsOf(orderId)).toEqual([2])
    const { data } = await shop.client.refunds.list({ payment_intent: intent })
    expect(data.map(({ amount }) => amount)).toEqual([200])
    expect(await order(orderId)).toMatchObject({ summary: { pending_difference: 0 } })
  })

  it("shows a refund of Stripe's as one of Medusa's", async () => {
    const [inStripe, inMedusa] = [await bought(), await bought()]
    const payment = (await order(inMedusa.orderId)).payment_collections[0]?.payments[0]?.id
    await shop.admin("POST", `/admin/payments/${payment}/refund`, { amount: 2 })
    await shop.client.refunds.create({ payment_intent: inStripe.intent, amount: 200 })
    await recorded(inStripe.intent)
    expect((await order(inStripe.orderId)).summary).toEqual((await order(inMedusa.orderId)).summary)
  })

  it("flags an order that is disputed, until the dispute is won", async () => {
    const { intent, orderId } = await bought()
    const dispute = shop.stripe.buyer.dispute(intent)
    await shop.until(
      "the dispute",
      async () => (await shop.payment(intent)).status === "disputed" || undefined,
    )
    expect((await order(orderId)).metadata).toMatchObject({
      stripe_dispute: { id: dispute.id, status: "needs_response", amount: COST },
    })
    expect((await shop.payment(intent)).reason).toContain(dispute.id)
    shop.stripe.bank.closeDispute(dispute.id, "won")
    await recorded(intent)
    expect(await shop.payment(intent)).toMatchObject({ status: "completed" })
    expect((await order(orderId)).metadata).toMatchObject({ stripe_dispute: { status: "won" } })
  })

  it("needs review where the dispute is lost", async () => {
    const { intent } = await bought()
    const dispute = shop.stripe.buyer.dispute(intent)
    shop.stripe.bank.closeDispute(dispute.id, "lost")
    const row = await shop.until("the review", async () => {
      const payment = await shop.payment(intent)
      return payment.status === "review" ? payment : undefined
    })
    expect(row.reason).toMatch(/dispute .* is lost: the bank gave the buyer .* back/)
  })
})
