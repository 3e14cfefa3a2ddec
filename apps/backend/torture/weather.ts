import { setTimeout as sleep } from "node:timers/promises"
import type { StripeLocal } from "@holdfast/stripe-local"
import type { Random } from "../../../packages/lock/torture/random.ts"

type Effect = Parameters<StripeLocal["faults"]["next"]>[1]

const EFFECTS: readonly Effect[] = [
  { status: 503 },
  { status: 500, when: "during" },
  { status: 500, when: "after" },
  { status: 429 },
  { hang: "before" },
  { hang: "after" },
  { drop: "before" },
  { drop: "after" },
]

/** Or until so many calls were met: when there are few, a short time would meet none. */
const LONGEST_MS = 20_000
const POLL_MS = 100

/** A part of the shop's calls to Stripe meets one kind of failure. Those that hang go on some seconds later, or are cut. */
export async function failAtTimes(stripe: StripeLocal, random: Random): Promise<void> {
  const effect = random.pick(EFFECTS)
  const share = random.between(0.2, 1)
  const fault = stripe.faults.next(({ driver }) => !driver && random.chance(share), {
    ...effect,
    times: Number.POSITIVE_INFINITY,
  })
  const wanted = Math.ceil(random.between(2, 30))
  const end = performance.now() + LONGEST_MS
  while (fault.hits < wanted && performance.now() < end) await sleep(POLL_MS)
  fault.remove()
  if (fault.hits > 0 && "hang" in effect) await sleep(random.between(1_000, 10_000))
  if (random.chance(0.5)) fault.release()
  else fault.drop()
}

/** Stripe's published limits hold for some seconds. */
export async function limitForAWhile(stripe: StripeLocal, random: Random): Promise<void> {
  stripe.limits = random.pick(["live", "sandbox"] as const)
  await sleep(random.between(5_000, 15_000))
  stripe.limits = undefined
}
