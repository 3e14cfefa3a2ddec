import type { Logger, MedusaContainer } from "@medusajs/framework/types"
import type Stripe from "stripe"
import { Gatherer } from "../gatherer"
import { isLockBusy } from "../medusa/busy-lock"
import { cartOfCollection, cartOfSession, readCartContents } from "../medusa/carts"
import { lockCarts } from "../medusa/order-links"
import { type CheckoutSession, cartReferredTo } from "../order-draft/checkout-session"
import { type Database, messageOf } from "../payments/payments"
import type { HoldOptions, Refusal } from "./limits"
import { type HoldRequest, type Plan, type Planned, planHolds } from "./plan"
import { endHoldSoon, type HeldLine, type Hold, lockHolds, readHold, renewHold } from "./rows"
import { giveBackUnits, underLocksOf } from "./sweep"
import { type HoldResult, type ShortLine, takeHolds } from "./take-holds"

/** What a buyer is told of a hold. */
export interface HoldView {
  cart_id: string
  /** null where nothing of the cart needs to be held: its stock is not managed, or may be backordered */
  expires_at: Date | null
  items: HeldLine[]
}

export type HoldAnswer =
  | { kind: "held"; hold: HoldView; isNew: boolean }
  | { kind: "short"; items: ShortLine[] }
  | { kind: "refused"; refusal: Refusal }

/** A cart that changes all the time is not held. */
const MOST_PLANS = 5

const BUSY: Refusal = {
  status: 503,
  code: "busy",
  message: "The stock of these items is busy at the moment. Try again.",
}

const CHANGING: Refusal = {
  status: 409,
  code: "cart_changing",
  message: "The cart changes at the same time. Try again when it has changed.",
}

/** What tells whose money will not come. */
type Canceled = Pick<Stripe.PaymentIntent | CheckoutSession, "metadata"> &
  Partial<Pick<CheckoutSession, "client_reference_id">>

interface Waiting<T> {
  cart_id: string
  answer?: T
}

type ToPlan = Waiting<Planned> & { request: HoldRequest }
type ToTake = Waiting<HoldResult> & { plan: Plan }

/**
 * Holds stock while buyers pay. Requests that come while others are served are gathered: carts are read together, and those
 * that want the same items are served together, so that on launch day the ones who get nothing learn it at once.
 */
export class Holds {
  readonly #container: () => MedusaContainer
  readonly #db: Database
  readonly #logger: Logger
  readonly #options: HoldOptions
  readonly #planner: Gatherer<ToPlan>
  /** by the items that they serve */
  readonly #takers = new Map<string, { gatherer: Gatherer<ToTake>; users: number }>()

  constructor(container: () => MedusaContainer, db: Database, logger: Logger, options: HoldOptions) {
    this.#container = container
    this.#db = db
    this.#logger = logger
    this.#options = options
    this.#planner = new Gatherer(
      (all) => this.#plan(all),
      ({ cart_id }) => cart_id,
    )
  }

  /** Holds the cart as it is now, renews its hold, or adjusts it to what the cart has become. */
  async hold(request: HoldRequest): Promise<HoldAnswer> {
    const isNew = (await readHold(this.#db, request.cart_id))?.is_over ?? true
    const result = await this.#tryHold(request)
    if (result.kind === "held") {
      return { kind: "held", hold: await this.#viewOf(request.cart_id), isNew }
    }
    return result.kind === "changed" ? { kind: "refused", refusal: CHANGING } : result
  }

  async #tryHold(request: HoldRequest): Promise<HoldResult> {
    let result: HoldResult = { kind: "changed" }
    for (let tries = 0; result.kind === "changed" && tries < MOST_PLANS; tries += 1) {
      const toPlan: ToPlan = { cart_id: request.cart_id, request }
      await this.#planner.add(toPlan)
      const planned = toPlan.answer as Planned
      result =
        "refusal" in planned
          ? { kind: "refused", refusal: planned.refusal }
          : await this.#takeFor(planned.plan)
    }
    return result
  }

  async #plan(all: ToPlan[]): Promise<void> {
    const requests = all.map(({ request }) => request)
    const planned = await planHolds(this.#container(), this.#db, requests, this.#options)
    for (const [index, one] of all.entries()) {
      one.answer = planned[index] as Planned
    }
  }

  async #takeFor(plan: Plan): Promise<HoldResult> {
    const key = plan.itemIds.join(" ")
    const taker = this.#takers.get(key) ?? { gatherer: this.#newTaker(plan.itemIds), users: 0 }
    this.#takers.set(key, taker)
    taker.users += 1
    const toTake: ToTake = { cart_id: plan.cart_id, plan }
    try {
      await taker.gatherer.add(toTake)
    } finally {
      taker.users -= 1
      if (taker.users === 0) {
        this.#takers.delete(key)
      }
    }
    return toTake.answer as HoldResult
  }

  #newTaker(itemIds: string[]): Gatherer<ToTake> {
    return new Gatherer(
      (all) => this.#take(all, itemIds),
      ({ cart_id }) => cart_id,
    )
  }

  async #take(all: ToTake[], itemIds: string[]): Promise<void> {
    const plans = all.map(({ plan }) => plan)
    try {
      const results = await underLocksOf(this.#container(), itemIds, (transaction) =>
        takeHolds(transaction, plans, itemIds, this.#options),
      )
      for (const one of all) {
        one.answer = results.get(one.cart_id)
      }
    } catch (error) {
      if (!isLockBusy(error as Error)) {
        throw error
      }
      // Each by itself would wait as long again.
      for (const one of all) {
        one.answer = { kind: "refused", refusal: BUSY }
      }
    }
  }

  /** What a cart holds; undefined where it holds nothing. */
  async view(cart_id: string): Promise<HoldView | undefined> {
    const hold = await readHold(this.#db, cart_id)
    return hold && !hold.is_over ? { cart_id, expires_at: hold.expires_at, items: hold.lines } : undefined
  }

  async #viewOf(cart_id: string): Promise<HoldView> {
    return (await this.view(cart_id)) ?? { cart_id, expires_at: null, items: [] }
  }

  /** Gives back what a cart holds. Its buyer may want it no more, or another's code has found out that it will not be paid. */
  async giveBack(cart_id: string): Promise<boolean> {
    const itemIds = await this.#itemsOf(cart_id)
    return await underLocksOf(this.#container(), itemIds, async (transaction) => {
      await lockCarts(transaction, [cart_id])
      const holds = [...(await lockHolds(transaction, [cart_id])).values()].filter(
        ({ is_claimed }) => !is_claimed,
      )
      await giveBackUnits(transaction, itemIds, holds)
      return holds.length > 0
    })
  }

  async #itemsOf(cart_id: string): Promise<string[]> {
    const { rows } = await this.#db.raw(
      `SELECT DISTINCT item.inventory_item_id AS id FROM stripe_hold AS hold
         JOIN reservation_item AS item ON item.id = ANY(hold.reservation_ids) AND item.deleted_at IS NULL
        WHERE hold.id = ? ORDER BY 1`,
      [cart_id],
    )
    return rows.map(({ id }: { id: string }) => id)
  }

  /** Gives back what the cart has no more, and renews the rest. What it has more is held at the next call. */
  async cartChanged(cart_id: string): Promise<void> {
    // The row is locked while a hold is made of what the cart was before: wait for it, or its change goes unseen.
    await this.#db.raw(`SELECT id FROM cart WHERE id = ? FOR KEY SHARE`, [cart_id])
    const hold = await readHold(this.#db, cart_id)
    if (hold && (await this.#hasLess(hold))) {
      await this.#tryHold({ cart_id, onlyLess: true })
    } else if (hold) {
      await renewHold(this.#db, cart_id, this.#options)
    }
  }

  async #hasLess({ id, lines }: Hold): Promise<boolean> {
    const cart = (await readCartContents(this.#db, [id])).get(id)
    const wanted = new Map(cart?.lines.map((line) => [line.id, line.quantity]))
    return lines.some(({ line_item_id, quantity }) => (wanted.get(line_item_id) ?? 0) < quantity)
  }

  /** The buyer begins to pay. */
  async paymentStarted(payment_collection_id: string): Promise<void> {
    const cart_id = await cartOfCollection(this.#db, payment_collection_id)
    if (cart_id) {
      await renewHold(this.#db, cart_id, this.#options)
    }
  }

  /**
   * Stripe canceled a payment intent, or a Checkout Session expired: the units of its cart go back, unless the buyer begins to
   * pay in another way.
   */
  async paymentCanceled(canceled: Canceled): Promise<void> {
    const { cart_id, session_id } = canceled.metadata ?? {}
    const named = cart_id || cartReferredTo(canceled)
    const cart = named || (session_id ? await cartOfSession(this.#db, session_id) : null)
    if (cart) {
      await endHoldSoon(this.#db, cart)
    }
  }

  /** Work that is done beside another's: it fails for itself. */
  async quietly(work: Promise<unknown>): Promise<void> {
    await work.catch((error) => this.#logger.warn(`A hold was not looked after: ${messageOf(error)}`))
  }
}
