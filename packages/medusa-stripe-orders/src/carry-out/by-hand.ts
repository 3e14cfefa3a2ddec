import { setTimeout as sleep } from "node:timers/promises"
import type { MedusaContainer } from "@medusajs/framework/types"
import { readPayments } from "../payments/payments"
import { BY_HAND, claimToCarryOutByHand, keepClaims } from "../payments/queue"
import { isAtRest, type PaymentState } from "../payments/states"
import { carryOut } from "./carry-out"
import { carryOutIn } from "./context"

/** How long a workflow that is run by hand waits for a payment that a worker holds. */
const WAIT_MS = 30_000
const LOOK_EVERY_MS = 100

/** What became of a payment. `error` is set where the last attempt failed; a worker tries again. */
export interface PaymentOutcome {
  payment_intent_id: string
  status: PaymentState
  order_id: string | null
  reason: string | null
  error?: string
}

/** Carries these payments on until nothing more can be done now, and tells what became of each. */
export async function carryOutByHand(
  container: MedusaContainer,
  ids: string[],
  { onlyRead }: { onlyRead: boolean },
): Promise<PaymentOutcome[]> {
  const work = carryOutIn(container, BY_HAND)
  const end = performance.now() + WAIT_MS
  for (;;) {
    const rows = [...(await readPayments(work.db, ids)).values()]
    const open = rows.filter(({ status, attempts, due_at }) => {
      const isDue = new Date(due_at).getTime() <= Date.now()
      return !isAtRest(status) && isDue && attempts === 0
    })
    if (onlyRead || open.length === 0 || performance.now() > end) {
      return rows.map(({ id, status, order_id, reason, last_error }) => ({
        payment_intent_id: id,
        status,
        order_id,
        reason,
        ...(last_error && { error: last_error }),
      }))
    }
    const claimed = await claimToCarryOutByHand(
      work.db,
      open.map(({ id }) => id),
    )
    const letGo = keepClaims(work.db, () => claimed.map(({ claim }) => claim))
    await Promise.all(claimed.map((payment) => carryOut(work, payment))).finally(letGo)
    if (claimed.length === 0) {
      await sleep(LOOK_EVERY_MS)
    }
  }
}
