import type { IEventBusModuleService } from "@medusajs/framework/types"
import { EventPriority, Modules, OrderWorkflowEvents } from "@medusajs/framework/utils"
import { canceledInMedusa } from "../medusa/order-standing"
import { inOneTransaction } from "../medusa/shared-transaction"
import { applyOutcomes, type Outcome, outcomeOf, readPayments } from "../payments/payments"
import type { ClaimedPayment } from "../payments/queue"
import type { CarryOut } from "./context"
import { haveMoved, takeBack, whenPaid } from "./money-moved"

/** Until an authorization is looked at again, where the charge that tells its end isn't known: a day. */
const LOOK_AGAIN_MS = 86_400_000

/**
 * Tells the store about its orders: `order.placed`. The events go out under locks of their own, so two workers can't
 * both send them; a crash between the sending and the commit, and only that, sends them twice. The rows are not locked
 * meanwhile: an event bus that hangs must not hold up the webhooks of these payments.
 */
export async function announce(
  { container, db, actor }: CarryOut,
  payments: ClaimedPayment[],
): Promise<null> {
  const events: IEventBusModuleService = container.resolve(Modules.EVENT_BUS)
  let sent: Outcome[] = []
  const announcing = inOneTransaction(container, async ({ sql }) => {
    const ids = payments.map(({ id }) => id)
    await sql.raw(
      `SELECT pg_advisory_xact_lock(hashtextextended(id, 0))
         FROM (SELECT unnest(CAST(? AS text[])) AS id ORDER BY 1) AS announced`,
      [ids],
    )
    const rows = await readPayments(sql, ids)
    const held = payments.filter(({ id, claim, status }) => {
      const row = rows.get(id)
      return row?.claim === claim && row.status === status
    })
    const canceled = await canceledInMedusa(sql, held)
    const mine = held.filter(({ id }) => !canceled.has(id))
    const moved = await haveMoved(sql, mine)
    const outcomes = held.map((payment) =>
      canceled.has(payment.id) ? takeBack(payment) : announced(payment, moved.has(payment.id)),
    )
    const unannounced = mine.filter(({ placed_at }) => !placed_at)
    if (unannounced.length > 0) {
      await events.emit(
        unannounced.map(({ order_id }) => ({ name: OrderWorkflowEvents.PLACED, data: { id: order_id } })),
        { priority: EventPriority.CRITICAL },
      )
    }
    sent = outcomes
    await applyOutcomes(sql, actor, sent)
  })
  // What was sent can't be taken back. Where only the writing failed, in a deadlock with these payments' webhooks for
  // instance, it is done again under the same claims: 6 of 60 orders were announced twice without.
  await announcing.catch(async (error) => {
    if (sent.length === 0) {
      throw error
    }
    await applyOutcomes(db, actor, sent)
  })
  return null
}

function announced(payment: ClaimedPayment, hasMoved: boolean) {
  const { captured_at, placed_at, order_id, reason } = payment
  const text = placed_at ? "Medusa has announced the order" : "Announced: order.placed"
  const line = { kind: "decision" as const, text, data: { order_id } }
  return captured_at
    ? outcomeOf(payment, whenPaid(payment, hasMoved), line, {
        reason,
        facts: { placed_at: placed_at ?? new Date() },
      })
    : outcomeOf(payment, "awaiting_capture", line, {
        reason,
        facts: { placed_at: placed_at ?? new Date() },
        due_in_ms: LOOK_AGAIN_MS,
      })
}
