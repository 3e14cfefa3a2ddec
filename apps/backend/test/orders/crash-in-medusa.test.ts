import type { ApiRequest } from "@holdfast/stripe-local"
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import { isNightly } from "../setup/nightly.ts"
import { closeShops } from "../setup/shop.ts"
import { askFor, convert, drafted, openSession, SHIPPING } from "./due-on-orders.ts"
import {
  forgetTheDead,
  hold,
  holdCommit,
  loseCommits,
  untilItWaits,
  untilStatementWaits,
} from "./standstill.ts"
import { costOf, StripeShop } from "./stripe-shop.ts"

const MUG = [{ sku: "MUG", quantity: 1 }]
const MUG_PRICE = costOf(MUG, "usd") / 100
const TOTAL = MUG_PRICE + SHIPPING

let shop: StripeShop

const lock = (table: string) => hold(shop, `LOCK TABLE "${table}" IN SHARE ROW EXCLUSIVE MODE`)
const asked = (end: string) => (request: ApiRequest) => !request.driver && request.path.endsWith(end)

/** SIGKILL, and the next process of the shop. */
const restarted = async (free: () => unknown) => {
  await shop.kill()
  await free()
  await forgetTheDead(shop)
  await shop.restart()
}
/** The order of a cart, as soon as Medusa has linked it. */
const linkedOrder = async (cartId: string) =>
  await shop.until("the order's link", async () => {
    const sql = "SELECT order_id AS id FROM order_cart WHERE cart_id = $1 AND deleted_at IS NULL"
    return (await shop.rows<{ id: string }>(sql, [cartId]))[0]?.id
  })
const sums = async (orderId: string) => {
  const [row] = await shop.rows(
    `SELECT (SELECT count(*)::int FROM payment JOIN order_payment_collection AS link USING (payment_collection_id)
              WHERE link.order_id = $1 AND payment.deleted_at IS NULL) AS payments,
            (SELECT array_agg(amount::float8) FROM order_transaction
              WHERE order_id = $1 AND deleted_at IS NULL) AS transactions,
            (SELECT array_agg(capture.amount::float8) FROM capture JOIN payment ON payment.id = capture.payment_id
               JOIN order_payment_collection AS link USING (payment_collection_id)
              WHERE link.order_id = $1 AND capture.deleted_at IS NULL) AS captures`,
    [orderId],
  )
  const { order } = await shop.admin("GET", `/admin/orders/${orderId}?fields=+payment_status,*summary`)
  return { ...row, status: order.payment_status, due: order.summary.pending_difference }
}
const paidOnce = { payments: 1, transactions: [TOTAL], captures: [TOTAL], status: "captured", due: 0 }

/** Completed, captured once and announced once. */
const isWhole = async (intentId: string, orderId: string) => {
  const row = await shop.until("the end", async () => {
    const payment = await shop.payment(intentId)
    return ["completed", "review"].includes(payment?.status) ? payment : undefined
  })
  expect(row).toMatchObject({ status: "completed", order_id: orderId })
  expect(await sums(orderId)).toEqual(paidOnce)
  expect(await shop.client.paymentIntents.retrieve(intentId)).toMatchObject({
    status: "succeeded",
    amount_received: TOTAL * 100,
  })
  await shop.until("the announcement", () => shop.announcements(orderId) || undefined)
  expect(shop.announcements(orderId)).toBe(1)
}
/** In review, with nothing captured and nothing announced; and whole after a retry. */
const isReviewedFirst = async (intentId: string, orderId: string, undone: string) => {
  const [row] = await shop.settled([intentId])
  expect(row).toMatchObject({
    status: "review",
    order_id: orderId,
    reason: `order ${orderId} was made by a cart completion that died: ${undone}`,
  })
  expect(shop.announcements(orderId)).toBe(0)
  expect(await shop.client.paymentIntents.retrieve(intentId)).toMatchObject({ amount_received: 0 })
  await shop.admin("POST", `/admin/stripe-payments/${intentId}/retry`)
  await shop.until("the retry", async () => (await shop.payment(intentId)).status !== "review" || undefined)
  await isWhole(intentId, orderId)
}

const open = (env: Record<string, string> = {}) => {
  beforeAll(async () => {
    shop = await StripeShop.open(env)
    await shop.putStock("MUG", 100)
  })
  afterEach(() => {
    shop.stripe.delivery = {}
    shop.stripe.faults.clear()
  })
  afterAll(() => shop?.close())
  afterAll(closeShops)
}

describe("killed while Medusa completes a cart in whose completion the store's hooks have a say", () => {
  open({ SHOP_HOOKS_CART_COMPLETION: "true" })

  const debited = (cartId: string) => shop.logs.split(`Gift card debited: ${cartId}`).length - 1

  it.runIf(isNightly)(
    "before the order's stock and hooks: needs review, since no card was debited",
    async () => {
      const { cartId, intentId } = await shop.checkout(MUG)
      const free = await lock("reservation_item")
      await shop.confirm(intentId)
      await untilStatementWaits(shop, 'insert into "reservation_item"')
      const orderId = await linkedOrder(cartId)
      await restarted(free)
      expect(debited(cartId)).toBe(0)
      const undone = "its stock is not reserved, and the store's hooks may not have run"
      await isReviewedFirst(intentId, orderId, undone)
    },
  )

  it("while it authorizes the payment: needs review, and no card is debited again", async () => {
    const { cartId, intentId } = await shop.checkout(MUG)
    const held = shop.stripe.faults.next(asked(intentId), { hang: "before" })
    await shop.confirm(intentId)
    await held.reached
    const orderId = await linkedOrder(cartId)
    await restarted(() => held.drop())
    await isReviewedFirst(intentId, orderId, "the store's hooks may not have run")
    expect(debited(cartId)).toBe(1)
  })

  it("after it was completed, before we wrote so: hooks, order, capture and announcement are once", async () => {
    const { cartId, intentId } = await shop.checkout(MUG)
    const free = await holdCommit(shop, "OLD.status = 'completing' AND NEW.status = 'pending'")
    await shop.confirm(intentId)
    await untilItWaits(shop, "advisory")
    const orderId = await linkedOrder(cartId)
    await restarted(() => loseCommits(shop).then(free))
    await isWhole(intentId, orderId)
    expect(debited(cartId)).toBe(1)
    expect(shop.logs.split(`Gift card linked: ${orderId}`)).toHaveLength(2)
  })
})

describe("killed while", () => {
  open()

  const completedBy = async (capture_method: "automatic" | "manual", table: string) => {
    const cart = await shop.checkout(MUG, { paymentData: { capture_method } })
    shop.stripe.delivery = { hold: () => true }
    await shop.confirm(cart.intentId)
    const free = await lock(table)
    const completing = shop.store("POST", `/store/carts/${cart.cartId}/complete`).catch(() => {})
    await untilStatementWaits(shop, `insert into "${table}"`)
    const orderId = await linkedOrder(cart.cartId)
    await restarted(free)
    await completing
    shop.stripe.delivery = {}
    await shop.stripe.releaseHeld()
    return { ...cart, orderId }
  }

  it("the storefront completes a cart, before its stock is reserved: needs review", async () => {
    const { intentId, orderId } = await completedBy("manual", "reservation_item")
    await isReviewedFirst(intentId, orderId, "its stock is not reserved")
  })

  it("the storefront completes a cart, after Medusa recorded the capture: the order shows it, and is announced", async () => {
    const { intentId, orderId } = await completedBy("automatic", "order_transaction")
    await isWhole(intentId, orderId)
  })

  const asking = async (capture: "automatic" | "manual") => {
    const orderId = await drafted(shop)
    await convert(shop, orderId)
    await askFor(shop, orderId, TOTAL)
    return { orderId, intentId: await openSession(shop, "store", orderId, capture) }
  }

  const within = [
    ["before the payment's row", "manual", "payment"],
    ["before the capture's row", "automatic", "capture"],
  ] as const

  it.each([
    ["before the order's transaction", "automatic", "order_transaction"] as const,
    ...(isNightly ? within : []),
  ])("a payment of an existing order is recorded, %s: it is recorded once", async (_, capture, table) => {
    const { orderId, intentId } = await asking(capture)
    const free = await lock(table)
    await shop.confirm(intentId)
    await untilStatementWaits(shop, `insert into "${table}"`)
    await restarted(free)
    await isWhole(intentId, orderId)
  })

  // Every run shows it of a new order, in crash.
  it.runIf(isNightly).each(["before", "after"] as const)(
    "a payment of an existing order is captured, %s Stripe did: it is captured and shown once",
    async (hang) => {
      const { orderId, intentId } = await asking("manual")
      const held = shop.stripe.faults.next(asked("/capture"), { hang })
      await shop.confirm(intentId)
      await held.reached
      expect(await shop.payment(intentId)).toMatchObject({ status: "ordered", order_id: orderId })
      await restarted(() => (hang === "before" ? held.drop() : held.release()))
      await isWhole(intentId, orderId)
    },
  )
})
