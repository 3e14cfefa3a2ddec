import { join } from "node:path"
import { type StripeLocal, startStripeLocal } from "@holdfast/stripe-local"
import type { Ending } from "./ending.ts"
import { data } from "./places.ts"

export const HOOK = "/hooks/stripe"

/** A double of Stripe in this process; it keeps its payments in `.data`, as the shop keeps its orders. */
export async function openLocalStripe(ending: Ending): Promise<StripeLocal> {
  const stripe = await startStripeLocal({ stateFile: join(data, "stripe.json") })
  ending.add(() => stripe.close())
  return stripe
}
