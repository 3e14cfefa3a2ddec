import { setTimeout as sleep } from "node:timers/promises"
import type { StripeLocal } from "@holdfast/stripe-local"
import pMap from "p-map"
import { type Checkout, chargeItems, openLink, openSession } from "../launch/sale/checkout.ts"
import { ShopApiError } from "../launch/shop-api/request.ts"
import type { Office } from "./office.ts"
import type { Aftermath, Purchase } from "./plan.ts"
import type { ShopState } from "./shop-state.ts"

/** How many buy at once. */
const AT_ONCE = 8
const ATTEMPTS = 8
const POLL_MS = 500

/** Buyers who pay, and what they, Stripe and the admin do to the payments later. */
export class Buyers {
  begun = 0
  paid = 0
  /** Checkouts that came to no payment, most of them since the item was sold out already. */
  refused = 0
  readonly #later = new Map<string, Aftermath>()
  #over = false

  constructor(
    private readonly stripe: StripeLocal,
    private readonly office: Office,
    private readonly state: ShopState,
  ) {}

  /** `mayBegin` waits until the faults have kept pace; when it resolves with false, no further purchase begins. */
  async buy(purchases: Purchase[], mayBegin: () => Promise<boolean>): Promise<void> {
    const aftermaths = this.#carryOutLater()
    try {
      await pMap(
        purchases,
        async (purchase) => {
          if (!(await mayBegin())) return
          this.begun += 1
          await this.#buy(purchase)
        },
        { concurrency: AT_ONCE },
      )
    } finally {
      this.#over = true
      await aftermaths
    }
  }

  async #buy(purchase: Purchase): Promise<void> {
    const checkout = await this.#checkOut(purchase)
    if (!checkout) return
    const { cartId } = checkout
    const { aftermath, completes } = purchase
    const intent = await checkout.pay()
    this.paid += 1
    if (aftermath?.endsWith("at once")) await this.#inStripe(aftermath, intent)
    else if (aftermath) this.#later.set(intent, aftermath)
    if (completes && cartId) await this.office.complete(cartId)
  }

  async #checkOut(purchase: Purchase): Promise<(Checkout & { cartId?: string }) | undefined> {
    const { store } = this.office
    const ruled = { ...purchase, metadata: metadataOf(purchase) }
    if (purchase.checkout === "session") return await openSession(store, this.stripe, ruled)
    if (purchase.checkout === "link") return await openLink(store, this.stripe, ruled)
    if (purchase.checkout === "items")
      return this.#byCard(await chargeItems(store, this.stripe.driver(), ruled))
    const { lines, email, currency, capture: capture_method } = purchase
    const checkout = { lines, email, currency, paymentData: { capture_method } }
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      try {
        const made = await this.office.calm.among(() => this.office.store.checkOut(checkout))
        // Where Stripe's answer was lost, Medusa's provider makes a session without a payment intent.
        const { id } = made.session.data
        if (typeof id === "string") {
          // A buyer who holds nothing, since it is sold out or the shop has just died, pays all the same.
          if (purchase.holds) await this.office.store.hold(made.cartId).catch(() => {})
          return { ...this.#byCard(id), cartId: made.cartId }
        }
      } catch (error) {
        // Stripe fails at times, and a buyer who sees an error tries again; but not where it is sold out.
        if (error instanceof ShopApiError && error.status < 500) break
      }
      await sleep(1_000)
    }
    this.refused += 1
    return undefined
  }

  #byCard(id: string): Checkout {
    const card = { payment_method: "pm_card_visa" }
    return { pay: async () => (await this.stripe.driver().paymentIntents.confirm(id, card)).id }
  }

  /** Does what is to be done to payments once they have an order; those that get none are left alone. */
  async #carryOutLater(): Promise<void> {
    while (!this.#over || this.#later.size > 0) {
      await sleep(POLL_MS)
      const rows = await this.state.rows([...this.#later.keys()])
      for (const { id, status, orderId } of rows) {
        if (status !== "completed" && !this.state.isAtRest(status)) continue
        const aftermath = this.#later.get(id)
        this.#later.delete(id)
        if (status !== "completed" || !orderId || !aftermath) continue
        if (aftermath === "admin refunds") await this.office.refund(orderId, 0.3)
        else if (aftermath === "admin cancels") await this.office.cancel(orderId)
        else await this.#inStripe(aftermath, id)
      }
      if (this.#over && this.state.stalledFor() > 90_000) return
    }
  }

  /** In Stripe's Dashboard, or by the bank. Stripe refuses some of it: a payment that is canceled meanwhile, say. */
  async #inStripe(aftermath: Aftermath, id: string): Promise<void> {
    const stripe = this.stripe.driver()
    const act: Record<string, () => Promise<unknown>> = {
      "refund at once": () => stripe.refunds.create({ payment_intent: id }),
      "cancel at once": () => stripe.paymentIntents.cancel(id),
      "refund a part": () => stripe.refunds.create({ payment_intent: id, amount: 300 }),
      "refund all": () => stripe.refunds.create({ payment_intent: id }),
      dispute: async () => this.stripe.buyer.dispute(id),
      "win a dispute": async () => this.stripe.bank.closeDispute(this.stripe.buyer.dispute(id).id, "won"),
      "lose a dispute": async () => this.stripe.bank.closeDispute(this.stripe.buyer.dispute(id).id, "lost"),
    }
    await act[aftermath]?.().catch(() => {})
  }
}

const ANSWERS = {
  wait: { wait_seconds: 1, reason: "the bank is asked" },
  cancel: { cancel: "the buyer is blocked" },
}

/** What the store's own hooks answer about the payment: `src/workflows/hooks/order-rules.ts` reads it there. */
function metadataOf({ outOfStock, beforeCapture }: Purchase): Record<string, string> {
  return {
    ...(outOfStock && { out_of_stock: outOfStock }),
    ...(beforeCapture && { before_capture: JSON.stringify(ANSWERS[beforeCapture]) }),
  }
}
