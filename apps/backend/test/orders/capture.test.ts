import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { isNightly } from "../setup/nightly.ts"
import { closeShops } from "../setup/shop.ts"
import { hold, holdDeciding, untilStatementWaits } from "./standstill.ts"
import { costOf, StripeShop, times } from "./stripe-shop.ts"

const MUG = [{ sku: "MUG", quantity: 1 }]
const TOTAL = costOf(MUG, "usd") + 500

interface Cart {
  cartId: string
  intentId: string
}

interface AdminOrder {
  id: string
  payment_status: string
  summary: { paid_total: number; pending_difference: number }
  payment_collections: { payments: { id: string; captured_at: string | null; captures: unknown[] }[] }[]
}

/** Medusa's Stripe provider only authorizes, as it does by default. */
describe("an order whose payment is authorized first", () => {
  let shop: StripeShop
  beforeAll(async () => {
    shop = await StripeShop.open()
  })
  afterAll(() => shop?.close())
  afterAll(closeShops)

  const carts = (count: number) => times(count, (i) => shop.checkout(MUG, { email: `cart${i}@shop.example` }))
  const cart = () => shop.checkout(MUG)
  const complete = async ({ cartId }: Cart): Promise<string> =>
    (await shop.store("POST", `/store/carts/${cartId}/complete`)).order.id
  const holdEvents = () => {
    shop.stripe.delivery = { hold: () => true }
  }
  const releaseEvents = () => {
    shop.stripe.delivery = {}
    return shop.stripe.releaseHeld()
  }

  /** The order is made by Medusa, before the plugin hears of the payment. */
  const orderOfMedusa = async (cart: Cart, meanwhile = async () => {}) => {
    holdEvents()
    await shop.confirm(cart.intentId)
    const orderId = await complete(cart)
    await meanwhile()
    await releaseEvents()
    return orderId
  }

  const ordersOf = async (rows: { order_id: string | null }[]): Promise<AdminOrder[]> => {
    const ids = rows.map(({ order_id }) => `id[]=${order_id}`).join("&")
    const fields =
      "+payment_status,*summary,*payment_collections.payments,*payment_collections.payments.captures"
    return (await shop.admin("GET", `/admin/orders?${ids}&limit=50&fields=${fields}`)).orders
  }
  const orderOf = async (row: { order_id: string | null }) => (await ordersOf([row]))[0] as AdminOrder
  const captureInAdmin = (order: AdminOrder) =>
    shop.admin("POST", `/admin/payments/${order.payment_collections[0]?.payments[0]?.id}/capture`)

  /** What Medusa's tables say about the money of an order. */
  const moneyOf = async (orderId: string | null) => {
    const [money] = await shop.rows(
      `SELECT payment.captured_at IS NOT NULL AS captured, payment.data ->> 'status' AS status,
              (SELECT count(*)::int FROM capture WHERE payment_id = payment.id AND deleted_at IS NULL) AS captures,
              (SELECT count(*)::int FROM order_transaction WHERE order_id = $1 AND deleted_at IS NULL) AS transactions,
              (SELECT sum(amount)::float8 FROM order_transaction WHERE order_id = $1 AND deleted_at IS NULL) AS paid,
              collection.status AS collection
         FROM order_payment_collection AS link
         JOIN payment_collection AS collection ON collection.id = link.payment_collection_id
         JOIN payment ON payment.payment_collection_id = collection.id
        WHERE link.order_id = $1`,
      [orderId],
    )
    return money
  }

  const capturedOnce = {
    captured: true,
    status: "succeeded",
    captures: 1,
    transactions: 1,
    paid: TOTAL / 100,
    collection: "completed",
  }

  const expectCapturedOnce = async (intents: string[]) => {
    const rows = await shop.settled(intents)
    expect(rows.map(({ status }) => status)).toEqual(rows.map(() => "completed"))
    for (const { id, order_id } of rows) {
      const captures = shop.stripe.requests.filter(
        ({ path, status, replayed }) =>
          path === `/v1/payment_intents/${id}/capture` && status === 200 && !replayed,
      )
      expect(captures).toHaveLength(1)
      expect(await shop.client.paymentIntents.retrieve(id)).toMatchObject({
        status: "succeeded",
        amount_received: TOTAL,
      })
      expect(await moneyOf(order_id)).toEqual(capturedOnce)
    }
    const orders = await ordersOf(rows)
    expect(orders).toHaveLength(intents.length)
    for (const order of orders) {
      expect(order.payment_status).toBe("captured")
      expect(order.summary).toMatchObject({ paid_total: TOTAL / 100, pending_difference: 0 })
    }
    return rows
  }

  const expectAnnouncedOnce = async (rows: { order_id: string | null }[]) => {
    const heard = ({ order_id }: { order_id: string | null }) => shop.announcements(order_id)
    await shop.until("the announcements", () => rows.every(heard) || undefined)
    // What is announced after this order has been heard by now.
    const [last] = await shop.settled([await shop.pay({ items: MUG })])
    await shop.until("the last announcement", () => heard(last as { order_id: string | null }) || undefined)
    expect(rows.map(heard)).toEqual(rows.map(() => 1))
  }

  describe("is captured once, in Stripe and in Medusa, and announced once", () => {
    type Row = [string, number, (carts: Cart[]) => Promise<unknown>]
    const rightAfter: Row = [
      "when the storefront completes right after confirming",
      10,
      (all) => Promise.all(all.map((cart) => shop.confirm(cart.intentId).then(() => complete(cart)))),
    ]

    it.each<Row>([
      [
        "when Medusa made it before the webhooks come",
        2,
        async (all) => {
          for (const cart of all) await orderOfMedusa(cart)
        },
      ],
      [
        "when the storefront completes while the webhooks come",
        10,
        async (all) => {
          holdEvents()
          await Promise.all(all.map(({ intentId }) => shop.confirm(intentId)))
          await Promise.all([releaseEvents(), ...all.map(complete)])
        },
      ],
      ...(isNightly ? [rightAfter] : []),
    ])("%s", async (_, count, buy) => {
      const all = await carts(count)
      await buy(all)
      const rows = await expectCapturedOnce(all.map(({ intentId }) => intentId))
      for (const { cartId, intentId } of all) {
        const links = await shop.rows("SELECT order_id FROM order_cart WHERE cart_id = $1", [cartId])
        expect(links).toEqual([{ order_id: rows.find(({ id }) => id === intentId)?.order_id }])
      }
      await expectAnnouncedOnce(rows)
    })

    it("when Medusa had authorized the payment and Stripe has captured it since, before there was an order", async () => {
      const bought = await cart()
      holdEvents()
      await shop.confirm(bought.intentId)
      await shop.script("authorize.mjs", [bought.sessionId]).finished
      await shop.client.paymentIntents.capture(bought.intentId)
      const payments = "SELECT id, captured_at FROM payment WHERE payment_session_id = $1"
      const [authorized] = await shop.rows(payments, [bought.sessionId])
      expect(authorized).toMatchObject({ captured_at: null })
      // Nothing is decided by the first of the events, which tells of the authorization only.
      const decide = await holdDeciding(shop)
      await releaseEvents()
      await decide()
      const [row] = await expectCapturedOnce([bought.intentId])
      expect(await shop.rows(payments, [bought.sessionId])).toMatchObject([{ id: authorized?.id }])
      await captureInAdmin(await orderOf({ order_id: row?.order_id ?? null }))
      await expectCapturedOnce([bought.intentId])
    })

    it("when it was captured in Stripe before its event came; the admin can't capture it again", async () => {
      const bought = await cart()
      await orderOfMedusa(bought, async () => {
        await shop.client.paymentIntents.capture(bought.intentId)
      })
      const [row] = await expectCapturedOnce([bought.intentId])
      await captureInAdmin(await orderOf({ order_id: row?.order_id ?? null }))
      await expectCapturedOnce([bought.intentId])
    })
  })

  describe("is left to the shop where it wants to capture by itself", () => {
    beforeAll(() => shop.restart({ HOLDFAST_CAPTURE: "by_shop" }))

    const placed = async (maker: string) => {
      const bought = await cart()
      if (maker === "Medusa") await orderOfMedusa(bought)
      else await shop.confirm(bought.intentId)
      const [row] = await shop.settled([bought.intentId])
      expect(row).toMatchObject({ status: "awaiting_capture", order_id: expect.any(String) })
      const order = await orderOf({ order_id: row?.order_id ?? null })
      expect(order.payment_status).toBe("authorized")
      expect(order.summary).toMatchObject({ paid_total: 0 })
      expect(await moneyOf(order.id)).toMatchObject({ captured: false, captures: 0, transactions: 0 })
      expect((await shop.client.paymentIntents.retrieve(bought.intentId)).status).toBe("requires_capture")
      await expectAnnouncedOnce([{ order_id: order.id }])
      return { intentId: bought.intentId, order }
    }

    describe.each(["the plugin", "Medusa"])("and %s made it", (maker) => {
      it("in the admin", async () => {
        const { intentId, order } = await placed(maker)
        await captureInAdmin(order)
        await shop.become(intentId, "completed")
        await expectCapturedOnce([intentId])
        await expectAnnouncedOnce([{ order_id: order.id }])
      })

      it("in Stripe", async () => {
        const { intentId, order } = await placed(maker)
        await shop.client.paymentIntents.capture(intentId)
        await shop.become(intentId, "completed")
        await expectCapturedOnce([intentId])
        await captureInAdmin(order)
        await expectCapturedOnce([intentId])
        await expectAnnouncedOnce([{ order_id: order.id }])
      })

      it("and goes to review when the authorization is canceled meanwhile", async () => {
        const { intentId, order } = await placed(maker)
        await shop.client.paymentIntents.cancel(intentId)
        const { reason } = await shop.become(intentId, "review")
        expect(reason).toBe(
          `order ${order.id} was made, but its payment can't be captured: it is canceled in Stripe`,
        )
        expect(await moneyOf(order.id)).toMatchObject({ captured: false, captures: 0, transactions: 0 })
      })
    })

    it("and goes to review when Stripe captured a part only, which is not booked as the whole", async () => {
      const { intentId, order } = await placed("the plugin")
      await shop.client.paymentIntents.capture(intentId, { amount_to_capture: 500 })
      const { reason } = await shop.become(intentId, "review")
      expect(reason).toBe(`order ${order.id} was made, but Stripe captured 5.00 USD of 19.50 USD`)
      expect(await moneyOf(order.id)).toMatchObject({
        captured: false,
        captures: 1,
        transactions: 1,
        paid: 5,
      })
    })

    it.each(["the plugin", "the admin"])(
      "in the admin and in Stripe at the same moment, and %s is the first to write it",
      async (first) => {
        const { intentId, order } = await placed("the plugin")
        const question = shop.stripe.faults.next("GET /v1/payment_intents/*", { hang: "before" })
        await shop.client.paymentIntents.capture(intentId)
        await question.reached
        const free = await hold(shop, "LOCK TABLE capture IN SHARE MODE")
        let answer: Promise<string> | undefined
        const write = {
          "the plugin": () => question.release(),
          "the admin": () => {
            answer = captureInAdmin(order).then(
              () => "captured",
              (error: Error) => error.message,
            )
          },
        }
        try {
          write[first as keyof typeof write]()
          await untilStatementWaits(shop, `insert into "capture"`)
          // Statements are told apart by their letters: webhooks of the capture may wait for the payment's row too.
          const second = first === "the admin" ? "the plugin" : "the admin"
          write[second]()
          await untilStatementWaits(
            shop,
            second === "the admin"
              ? `from "payment" where "id" = $1 for update`
              : "FROM payment WHERE id = ANY",
          )
        } finally {
          await free()
        }
        expect(await answer).toContain(first === "the admin" ? "captured" : "cannot capture more")
        await shop.become(intentId, "completed")
        await expectCapturedOnce([intentId])
      },
    )
  })
})
