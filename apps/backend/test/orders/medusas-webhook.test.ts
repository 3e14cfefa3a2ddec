import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { isNightly } from "../setup/nightly.ts"
import { closeShops } from "../setup/shop.ts"
import { holdDeciding } from "./standstill.ts"
import { costOf, StripeShop, times, WEBHOOK_SECRET } from "./stripe-shop.ts"

const MUG = [{ sku: "MUG", quantity: 1 }]
const CART_TOTAL = costOf(MUG, "usd") + 500

/** What Medusa's endpoint acts upon; it ignores all other types. */
const ACTED_UPON = ["payment_intent.succeeded", "payment_intent.amount_capturable_updated"]

/** As while a store moves from the one endpoint to the other: Stripe sends every event to both. */
describe("beside Medusa's own webhook endpoint", () => {
  let shop: StripeShop
  beforeAll(async () => {
    shop = await StripeShop.open()
    shop.stripe.addWebhookEndpoint({ url: `${shop.url}/hooks/payment/stripe_stripe`, secret: WEBHOOK_SECRET })
    await shop.putStock("MUG", 100)
  })
  afterAll(() => shop?.close())
  afterAll(closeShops)

  const logged = (text: string) => shop.logs.split(text).length - 1
  const worked = () => logged("Medusa's own webhook is worked through")

  /** Waits until Medusa's endpoint has worked through every event that there is. */
  const workedThrough = async () =>
    await shop.until(
      "Medusa's own webhook",
      async () => {
        await shop.stripe.idle()
        const { data } = await shop.client.events.list({ limit: 100, types: ACTED_UPON })
        return worked() >= data.length || undefined
      },
      30,
    )

  const moneyOf = async (orderId: string) => {
    const [sums] = await shop.rows(
      `SELECT (SELECT array_agg(amount::float8) FROM order_transaction
                WHERE order_id = $1 AND deleted_at IS NULL) AS transactions,
              (SELECT array_agg(capture.amount::float8) FROM capture JOIN payment ON payment.id = capture.payment_id
                 JOIN order_payment_collection AS link USING (payment_collection_id)
                WHERE link.order_id = $1 AND capture.deleted_at IS NULL) AS captures,
              (SELECT collection.captured_amount::float8 FROM payment_collection AS collection
                 JOIN order_payment_collection AS link ON link.payment_collection_id = collection.id
                WHERE link.order_id = $1) AS collected`,
      [orderId],
    )
    return sums
  }

  type Moment = (paid: () => Promise<unknown>) => Promise<unknown>
  /** Medusa's endpoint works 5 s after it has answered; Medusa 2.21 never reads its option `webhook_delay`. */
  const oursFirst: Moment = async (paid) => {
    await paid()
  }
  const medusaFirst: Moment = async (paid) => {
    const decide = await holdDeciding(shop)
    await paid()
    await workedThrough()
    await decide()
  }
  const bothAtOnce: Moment = async (paid) => {
    const decide = await holdDeciding(shop)
    const begun = () => logged("Processing payment.webhook_received")
    const before = begun()
    await paid()
    await shop.until("Medusa's own webhook to begin", () => begun() > before || undefined)
    await decide()
  }

  const oneByOne: [string, Moment][] = [
    ["after ours", oursFirst],
    ["before ours", medusaFirst],
  ]

  it.each<[string, Moment]>([["at the same moment", bothAtOnce], ...(isNightly ? oneByOne : [])])(
    "carts are one order each, captured and announced once, where Medusa's works %s",
    async (_, moment) => {
      const carts = await times(8, (i) =>
        shop.checkout(MUG, {
          email: `${i}@shop.example`,
          paymentData: { capture_method: i % 4 < 2 ? "automatic" : "manual" },
        }),
      )
      const answers = new Map<string, string>()
      await moment(() =>
        Promise.all(
          carts.map(async ({ cartId, intentId }, i) => {
            await shop.confirm(intentId)
            // Half of the buyers close the window.
            if (i % 2) {
              const { order } = await shop.store("POST", `/store/carts/${cartId}/complete`)
              answers.set(intentId, order.id)
            }
          }),
        ),
      )
      const intents = carts.map(({ intentId }) => intentId)
      await shop.settled(intents)
      await workedThrough()
      const rows = await shop.settled(intents)
      expect(rows.map(({ status }) => status)).toEqual(carts.map(() => "completed"))
      for (const { cartId, intentId } of carts) {
        const orderId = rows.find(({ id }) => id === intentId)?.order_id as string
        expect(await shop.count("order_cart WHERE cart_id = $1 AND deleted_at IS NULL", [cartId])).toBe(1)
        expect(answers.get(intentId) ?? orderId).toBe(orderId)
        expect(await shop.client.paymentIntents.retrieve(intentId)).toMatchObject({
          status: "succeeded",
          amount_received: CART_TOTAL,
        })
        const amount = CART_TOTAL / 100
        expect(await moneyOf(orderId)).toEqual({
          transactions: [amount],
          captures: [amount],
          collected: amount,
        })
        await shop.until("the announcement", () => shop.announcements(orderId) || undefined)
        expect(shop.announcements(orderId)).toBe(1)
      }
    },
  )
})
