import type { Database } from "../payments/payments"
import { statesOf } from "../payments/states"
import type { HealthReason } from "./health"

/** What is late by less is a rush, not a fault. */
const LATE_SECONDS = 60

/** What is late in the shop's queues. One statement, by indexes: a million payments make it no slower. */
export async function readBacklog(db: Database): Promise<HealthReason[]> {
  const { rows } = await db.raw(
    `SELECT (SELECT count(*) FROM stripe_lease WHERE starts_with(id, 'worker:') AND expires_at > clock_timestamp())::int AS workers,
            late.status, late.seconds::int AS seconds,
            (SELECT extract(epoch FROM clock_timestamp() - created_at) FROM stripe_outbox WHERE sent_at IS NULL
              ORDER BY id LIMIT 1)::int AS unsent
       FROM (SELECT 1) AS one LEFT JOIN (
         SELECT state AS status, extract(epoch FROM clock_timestamp() - next.due_at) AS seconds
           FROM unnest(CAST(:states AS text[])) AS state
           CROSS JOIN LATERAL (SELECT due_at FROM stripe_payment WHERE status = state AND deleted_at IS NULL
                                ORDER BY due_at LIMIT 1) AS next
          ORDER BY next.due_at LIMIT 1) AS late ON true`,
    { states: [...statesOf("decide"), ...statesOf("carry out")] },
  )
  const { workers, status, seconds, unsent } = rows[0]
  const isLate = (age: number | null) => age !== null && age > LATE_SECONDS
  return [
    ...(workers === 0
      ? [{ check: "worker" as const, says: "no worker lives: start a process in worker or shared mode" }]
      : []),
    ...(isLate(seconds)
      ? [
          {
            check: "backlog" as const,
            says: `the oldest payment that is due waits since ${seconds} s (${status})`,
          },
        ]
      : []),
    ...(isLate(unsent)
      ? [{ check: "bus" as const, says: `the store's event bus has taken no event since ${unsent} s` }]
      : []),
  ]
}
