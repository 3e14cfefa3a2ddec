import { answers, stuckKeys } from "./check-answers.ts"
import { exclusion, fencing } from "./check-exclusion.ts"
import { order, tokens } from "./check-order.ts"
import type { History } from "./history.ts"

export interface Violation {
  readonly promise: string
  readonly what: string
}

/** How many violations of one promise are reported: one cause makes thousands. */
const ENOUGH = 20

/** Everything in `history` that the lock has promised not to happen. */
export function check(history: History): Violation[] {
  const checks = {
    exclusion,
    fencing,
    "first come, first served": order,
    "growing tokens": tokens,
    "an answer in time": answers,
    "no key that stays stuck": stuckKeys,
  }
  return Object.entries(checks).flatMap(([promise, find]) => {
    const found = find(history)
    const reported = found.slice(0, ENOUGH)
    if (found.length > ENOUGH) reported.push(`… and ${found.length - ENOUGH} more`)
    return reported.map((what) => ({ promise, what }))
  })
}
