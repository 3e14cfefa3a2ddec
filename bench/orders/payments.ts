import type { StripeLocal } from "@holdfast/stripe-local"
import pMap from "p-map"
import type Stripe from "stripe"
import type { Buyer } from "../../apps/backend/launch/sale/buyers.ts"
import { chargeItems } from "../../apps/backend/launch/sale/checkout.ts"
import type { Seeded } from "../../apps/backend/launch/seeded.ts"
import { StoreClient } from "../../apps/backend/launch/shop-api/store-client.ts"
import type { CartCopies } from "./carts.ts"

export const HOT = "LANTERN-FIRST"

/** The events that the plugin's README tells an endpoint to send. */
export const EVENTS = ["payment_intent.succeeded", "payment_intent.amount_capturable_updated"]

/** How the payments of a row come about. */
export interface Shape {
  readonly name: string
  readonly capture: "automatic" | "manual"
  readonly checkout: "items" | "cart"
}

type Purchase = Pick<Buyer, "lines" | "email" | "currency" | "capture">

export function purchaseOf({ capture }: Pick<Shape, "capture">, email: string): Purchase {
  return { email, lines: [{ sku: HOT, quantity: 1 }], currency: "usd", capture }
}

interface Checkouts {
  readonly stripe: StripeLocal
  readonly shape: Shape
  readonly seeded: Seeded
  readonly carts: CartCopies
}

/** Makes payments from the `from`th to before the `to`th buyer, unpaid. Returns the payment intents' ids. */
export function checkOut(
  { stripe, shape, seeded, carts }: Checkouts,
  from: number,
  to: number,
): Promise<string[]> {
  // The driver's calls are outside of the shop's budget.
  const driver = stripe.driver()
  const store = new StoreClient("", seeded)
  const one = async (index: number) => {
    if (shape.checkout === "items")
      return chargeItems(store, driver, purchaseOf(shape, `buyer${index}@shop.example`))
    return (await driver.paymentIntents.create(carts.intentOf(index))).id
  }
  const indexes = Array.from({ length: to - from }, (_, i) => from + i)
  return pMap(indexes, one, { concurrency: 8 })
}

/** Pays them, while their webhooks are held back. Returns the one event of each that the shop hears of. */
export async function pay(stripe: StripeLocal, intents: string[]): Promise<Stripe.Event[]> {
  const driver = stripe.driver()
  stripe.delivery = { hold: () => true }
  const confirm = (id: string) => driver.paymentIntents.confirm(id, { payment_method: "pm_card_visa" })
  await pMap(intents, confirm, { concurrency: 8 })
  stripe.delivery = {}
  const paid = new Set(intents)
  return stripe.events.filter(
    ({ type, data }) => EVENTS.includes(type) && paid.has((data.object as Stripe.PaymentIntent).id),
  )
}

/**
 * Sends every webhook at once, as made just now: the plugin does not trust an event that was held up. Sends again, as
 * Stripe would, what was not taken, and returns how many those were.
 */
export async function deliverAtOnce(stripe: StripeLocal, events: Stripe.Event[]): Promise<number> {
  const created = Math.floor(Date.now() / 1_000)
  let left = events.map((event) => ({ ...event, created }))
  let refused = 0
  while (left.length > 0) {
    const taken = await Promise.all(left.map((event) => stripe.deliver(event)))
    left = left.filter((_, i) => taken[i]?.[0]?.status !== 200)
    refused += left.length
  }
  return refused
}
