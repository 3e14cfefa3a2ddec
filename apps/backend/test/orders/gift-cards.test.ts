import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import { closeShops, createDatabase, migrate } from "../setup/shop.ts"
import { costOf, StripeShop } from "./stripe-shop.ts"

const MUG = [{ sku: "MUG", quantity: 1 }]
const CART_TOTAL = costOf(MUG, "usd") + 500
/** On the card, minor units: less than a cart costs. */
const CARD = 1000
const REST = CART_TOTAL - CARD

/** Medusa's own loyalty plugin debits gift cards in hooks of cart completion, in a transaction of its own. */
describe("a cart that is paid in part with a gift card of Medusa's loyalty plugin", () => {
  let shop: StripeShop
  beforeAll(async () => {
    const loyal = { SHOP_LOYALTY_PLUGIN: "true" }
    const database = await createDatabase()
    await migrate(database.url, loyal)
    shop = await StripeShop.open(loyal, database)
    await shop.putStock("MUG", 100)
  })
  afterEach(() => {
    shop.stripe.delivery = {}
  })
  afterAll(() => shop?.close())
  afterAll(closeShops)

  let made = 0
  const giftCard = async (): Promise<string> => {
    const code = `GIFT-${made++}`
    await shop.admin("POST", "/admin/gift-cards", { code, currency_code: "usd", value: CARD / 100 })
    return code
  }
  const checkout = async (code: string, capture_method: "automatic" | "manual") => {
    const cart = await shop.checkout(MUG, { giftCard: code, paymentData: { capture_method } })
    const { amount } = await shop.client.paymentIntents.retrieve(cart.intentId)
    expect(amount).toBe(REST)
    return cart
  }
  const complete = async (cartId: string) => await shop.store("POST", `/store/carts/${cartId}/complete`)
  /** What was taken from the card, major units, by the cart that took it. */
  const debits = async (code: string) =>
    await shop.rows<{ cart: string; amount: number }>(
      `SELECT entry.reference_id AS cart, entry.amount::float8 AS amount
         FROM store_credit_account_transaction AS entry
         JOIN loyalty_gift_card_store_credit_store_credit_account AS link
           ON link.store_credit_account_id = entry.account_id
         JOIN loyalty_gift_card AS card ON card.id = link.gift_card_id
        WHERE card.code = $1 AND entry.type = 'debit' AND entry.deleted_at IS NULL`,
      [code],
    )
  const ordersOf = async (cartId: string) => {
    const links = await shop.rows<{ order_id: string }>(
      "SELECT order_id FROM order_cart WHERE cart_id = $1 AND deleted_at IS NULL",
      [cartId],
    )
    return links.map(({ order_id }) => order_id)
  }
  const orderOf = async (id: string | null) => {
    const fields = "+total,+payment_status,*summary,*credit_lines,*gift_cards,*payment_collections"
    return (await shop.admin("GET", `/admin/orders/${id}?fields=${fields}`)).order
  }

  const isPaidOnce = async (
    code: string,
    { cartId, intentId }: { cartId: string; intentId: string },
  ): Promise<string> => {
    const [row] = await shop.settled([intentId])
    expect(row).toMatchObject({ status: "completed", order_id: expect.any(String) })
    const orderId = row?.order_id as string
    expect(await ordersOf(cartId)).toEqual([orderId])
    expect(await debits(code)).toEqual([{ cart: cartId, amount: CARD / 100 }])
    expect(await shop.client.paymentIntents.retrieve(intentId)).toMatchObject({
      status: "succeeded",
      amount_received: REST,
    })
    expect(await orderOf(orderId)).toMatchObject({
      total: REST / 100,
      payment_status: "captured",
      summary: { pending_difference: 0, paid_total: REST / 100 },
      credit_lines: [{ reference: "gift-card", amount: CARD / 100 }],
      gift_cards: [{ code }],
      payment_collections: [{ status: "completed", amount: REST / 100, captured_amount: REST / 100 }],
    })
    await shop.until("the announcement", () => shop.announcements(orderId) || undefined)
    expect(shop.announcements(orderId)).toBe(1)
    return orderId
  }

  describe.each(["automatic", "manual"] as const)("with %s capture", (capture) => {
    it("is one order where only the webhook comes, and the same when the storefront comes after it", async () => {
      const code = await giftCard()
      const cart = await checkout(code, capture)
      await shop.confirm(cart.intentId)
      const orderId = await isPaidOnce(code, cart)
      expect(await complete(cart.cartId)).toMatchObject({ type: "order", order: { id: orderId } })
      expect(await isPaidOnce(code, cart)).toBe(orderId)
    })

    it("is one order where the storefront comes first", async () => {
      const code = await giftCard()
      const cart = await checkout(code, capture)
      shop.stripe.delivery = { hold: () => true }
      await shop.confirm(cart.intentId)
      const { order } = await complete(cart.cartId)
      shop.stripe.delivery = {}
      await shop.stripe.releaseHeld()
      expect(await isPaidOnce(code, cart)).toBe(order.id)
    })

    it("is one order where both come at the same moment", async () => {
      const code = await giftCard()
      const cart = await checkout(code, capture)
      shop.stripe.delivery = { hold: () => true }
      await shop.confirm(cart.intentId)
      shop.stripe.delivery = {}
      const [{ order }] = await Promise.all([complete(cart.cartId), shop.stripe.releaseHeld()])
      expect(await isPaidOnce(code, cart)).toBe(order.id)
    })
  })

  it("is no order where the card was spent in another cart meanwhile, until the card is filled again", async () => {
    const code = await giftCard()
    const [first, second] = [await checkout(code, "manual"), await checkout(code, "manual")]
    await shop.confirm(first.intentId)
    await isPaidOnce(code, first)
    await shop.confirm(second.intentId)
    const [row] = await shop.settled([second.intentId])
    expect(row).toMatchObject({ status: "review", order_id: null })
    expect(row?.reason).toBe(
      `cart ${second.cartId} is paid, but its completion was refused: Insufficient balance`,
    )
    expect(await ordersOf(second.cartId)).toEqual([])
    expect(await shop.client.paymentIntents.retrieve(second.intentId)).toMatchObject({
      status: "requires_capture",
      amount_received: 0,
    })
    expect(await debits(code)).toEqual([{ cart: first.cartId, amount: CARD / 100 }])

    const [account] = await shop.rows<{ id: string }>(
      `SELECT account_id AS id FROM store_credit_account_transaction WHERE reference_id = $1`,
      [first.cartId],
    )
    const credit = { amount: CARD / 100, note: "The buyer of the first cart gave it back" }
    await shop.admin("POST", `/admin/store-credit-accounts/${account?.id}/credit`, credit)
    await shop.admin("POST", `/admin/stripe-payments/${second.intentId}/retry`)
    const paid = await shop.until("the order", async () => {
      const { order_id } = await shop.payment(second.intentId)
      return order_id ?? undefined
    })
    const [again] = await shop.settled([second.intentId])
    expect(again).toMatchObject({ status: "completed", order_id: paid })
    expect(await ordersOf(second.cartId)).toEqual([paid])
    expect(await debits(code)).toHaveLength(2)
  })

  it("is no order of a payment outside its payment session, for which the card would not be debited", async () => {
    const code = await giftCard()
    const { cartId } = await checkout(code, "manual")
    const intent = await shop.intent({ items: MUG, amount: REST, metadata: { cart_id: cartId } })
    await shop.confirm(intent)
    const [row] = await shop.settled([intent])
    expect(row).toMatchObject({ status: "review", order_id: null })
    expect(row?.reason).toContain(`cart ${cartId} was paid outside its payment session`)
    expect(await ordersOf(cartId)).toEqual([])
    expect(await debits(code)).toEqual([])
  })

  it.each([
    ["less", -100, "paid 8.50 USD, but the order comes to 9.50 USD"],
    ["more", 100, "paid 10.50 USD, but the order comes to 9.50 USD"],
  ])("is no order where %s was paid than is due beside the card", async (_, difference, reason) => {
    const code = await giftCard()
    const { cartId, intentId } = await checkout(code, "manual")
    await shop.client.paymentIntents.update(intentId, { amount: REST + difference })
    await shop.confirm(intentId)
    const [row] = await shop.settled([intentId])
    expect(row).toMatchObject({ status: "review", reason, order_id: null })
    expect(await ordersOf(cartId)).toEqual([])
    expect(await debits(code)).toEqual([])
  })

  it("is one order of two carts that spend the same card at the same moment", async () => {
    const code = await giftCard()
    const carts = [await checkout(code, "manual"), await checkout(code, "manual")]
    shop.stripe.delivery = { hold: () => true }
    for (const { intentId } of carts) {
      await shop.confirm(intentId)
    }
    shop.stripe.delivery = {}
    await shop.stripe.releaseHeld()
    const rows = await shop.settled(carts.map(({ intentId }) => intentId))
    expect(rows.map(({ status }) => status).sort()).toEqual(["completed", "review"])
    const won = carts.find(({ intentId }) => rows.some(({ id, order_id }) => id === intentId && order_id))
    await isPaidOnce(code, won as (typeof carts)[0])
  })
})
