import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import { isNightly } from "../setup/nightly.ts"
import { closeShops } from "../setup/shop.ts"
import { hold, untilStatementWaits } from "./standstill.ts"
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
                    AND text SIMILAR TO '(Recorded on the order|Nothing new)%') AS lines
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

  it("shows each of several refunds once, also when events are delivered several times", async () => {
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

  describe("when the process dies while a refund is recorded", () => {
    const uncommitted = ["before its rows are committed", "refund"] as const

    it.each([
      ...(isNightly ? [uncommitted] : []),
      ["between its rows and its credit line", "order_change"] as const,
    ])("%s, shows it once", async (_, table) => {
      const { intent, orderId } = await bought()
      const free = await hold(shop, `LOCK TABLE ${table} IN SHARE MODE`)
      await shop.client.refunds.create({ payment_intent: intent, amount: 300 })
      await untilStatementWaits(shop, `insert into "${table}"`)
      await shop.kill()
      await free()
      await shop.restart()
      await recorded(intent)
      expect(await refundsOf(orderId)).toEqual([3])
      expect((await order(orderId)).summary).toMatchObject({ pending_difference: 0, refunded_total: 3 })
      expect(
        await shop.count("order_credit_line WHERE order_id = $1 AND deleted_at IS NULL", [orderId]),
      ).toBe(1)
    })
  })

  describe("a refund that takes its time", () => {
    const payBy = async (paymentMethod: string) => {
      const intent = await shop.intent({ items: MUG })
      await shop.client.paymentIntents.confirm(intent, { payment_method: paymentMethod })
      return intent
    }
    const refundOf = async (intent: string) =>
      await shop.until("the refund", async () => {
        const { data } = await shop.client.refunds.list({ payment_intent: intent })
        return data[0]
      })

    it("is not yet refunded, and fails days later: then it needs review, and a retry makes another", async () => {
      await shop.putStock("MUG", 0)
      const intent = await payBy("pm_card_pendingRefund")
      const refund = await refundOf(intent)
      expect(refund.status).toBe("pending")
      await shop.until("the answer to be written", async () => {
        const lines = await shop.count("stripe_timeline WHERE payment_intent_id = $1 AND text LIKE $2", [
          intent,
          "The refund is pending%",
        ])
        return lines > 0 || undefined
      })
      expect(await shop.payment(intent)).toMatchObject({ status: "refunding" })
      shop.stripe.bank.settleRefund(refund.id)
      await shop.become(intent, "refunded")
      shop.stripe.bank.failRefund(refund.id, "expired_or_canceled_card")
      const { reason } = await shop.become(intent, "review")
      expect(reason).toContain(`refund ${refund.id} failed in Stripe (expired_or_canceled_card)`)
      await shop.admin("POST", `/admin/stripe-payments/${intent}/retry`)
      const second = await shop.until("another refund", async () => {
        const { data } = await shop.client.refunds.list({ payment_intent: intent })
        return data.find(({ id }) => id !== refund.id)
      })
      shop.stripe.bank.settleRefund(second.id)
      await shop.become(intent, "refunded")
      await shop.putStock("MUG", 100)
    })

    it("and fails after the order showed it, is taken off the order, and needs review", async () => {
      const intent = await payBy("pm_card_pendingRefund")
      const [row] = await shop.settled([intent])
      const orderId = row?.order_id as string
      const refund = await shop.client.refunds.create({ payment_intent: intent, amount: 200 })
      expect(await refundsOf(orderId)).toEqual([])
      shop.stripe.bank.settleRefund(refund.id)
      await recorded(intent)
      expect(await refundsOf(orderId)).toEqual([2])
      shop.stripe.bank.failRefund(refund.id, "lost_or_stolen_card")
      const { reason } = await shop.become(intent, "review")
      expect(reason).toContain(`refund ${refund.id} of 2.00 USD failed in Stripe (lost_or_stolen_card)`)
      expect(await refundsOf(orderId)).toEqual([])
    })
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
    expect(await shop.payment(intent)).toMatchObject({ status: "completed", reason: null })
    expect((await order(orderId)).metadata).toMatchObject({ stripe_dispute: { status: "won" } })
  })

  describe("of a payment that a person judges", () => {
    const reviewed = async () => {
      const { intent, orderId } = await bought()
      await shop.rows("UPDATE stripe_payment SET status = 'review', reason = 'why' WHERE id = $1", [intent])
      return { intent, orderId }
    }
    const shown = async (intent: string, orderId: string, status: string) => {
      await shop.until(
        "the refund to be shown",
        async () => (await refundsOf(orderId)).length > 0 || undefined,
      )
      return await shop.become(intent, status)
    }

    it("a refund is shown on the order, and the review stands", async () => {
      const { intent, orderId } = await reviewed()
      await shop.client.refunds.create({ payment_intent: intent, amount: 300 })
      expect((await shown(intent, orderId, "review")).reason).toBe("why")
      expect(await refundsOf(orderId)).toEqual([3])
    })

    it("so it is where it was dismissed; and a dispute is flagged, until it is won", async () => {
      const { intent, orderId } = await reviewed()
      await shop.admin("POST", `/admin/stripe-payments/${intent}/dismiss`, { reason: "was called" })
      await shop.client.refunds.create({ payment_intent: intent, amount: 300 })
      expect((await shown(intent, orderId, "dismissed")).reason).toBe("was called")
      const dispute = shop.stripe.buyer.dispute(intent)
      await shop.become(intent, "disputed")
      expect((await order(orderId)).metadata).toMatchObject({ stripe_dispute: { status: "needs_response" } })
      shop.stripe.bank.closeDispute(dispute.id, "won")
      expect((await shop.become(intent, "dismissed")).reason).toBe("was called")
    })
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
