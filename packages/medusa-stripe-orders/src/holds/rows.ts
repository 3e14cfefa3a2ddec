import type { SharedTransaction } from "../medusa/shared-transaction"
import type { Database } from "../payments/payments"

/** Units of a cart's line that are held. */
export interface HeldLine {
  line_item_id: string
  quantity: number
}

/** What a cart holds while its buyer pays; its id is the cart's. Which units, say Medusa's reservation items. */
export interface Hold {
  id: string
  customer_id: string | null
  ip_hash: string | null
  lines: HeldLine[]
  reservation_ids: string[]
  /** Seconds that it has been held without a break: it can be renewed, up to the longest time. */
  age: number
  /** until when the buyer was told that it is held */
  expires_at: Date
  /** When it may be given back: somewhat later, for a payment that was made in the last second. */
  kept_until: Date
  /** It may be given back. */
  is_over: boolean
  /** Medusa's own cart completion is making an order of it. */
  is_claimed: boolean
}

/** Complete-cart's own lock lasts 120 s: a claim that is older is of one that died. */
const CLAIM_SECONDS = 120

const HOLD = `hold.id, hold.customer_id, hold.ip_hash, hold.lines, hold.reservation_ids, hold.expires_at,
  EXTRACT(EPOCH FROM clock_timestamp() - hold.held_since)::float8 AS age,
  hold.kept_until, hold.kept_until <= clock_timestamp() AS is_over,
  COALESCE(hold.claimed_at > clock_timestamp() - ${CLAIM_SECONDS} * interval '1 second', false) AS is_claimed`

export async function readHold(db: Database, cart_id: string): Promise<Hold | undefined> {
  const { rows } = await db.raw(`SELECT ${HOLD} FROM stripe_hold AS hold WHERE hold.id = ?`, [cart_id])
  return rows[0]
}

/** Locks the rows until the transaction ends, in the order of their ids so that two can't deadlock. */
export async function lockHolds({ sql }: SharedTransaction, cartIds: string[]): Promise<Map<string, Hold>> {
  if (cartIds.length === 0) {
    return new Map()
  }
  const { rows } = await sql.raw(
    `SELECT ${HOLD} FROM stripe_hold AS hold WHERE hold.id = ANY(?) ORDER BY hold.id FOR UPDATE`,
    [cartIds],
  )
  return new Map((rows as Hold[]).map((hold) => [hold.id, hold]))
}

/** What is written of a hold that was taken or changed. */
export type Taken = Pick<Hold, "id" | "customer_id" | "ip_hash" | "lines" | "reservation_ids"> & {
  /** begins anew: what it may have held before was over */
  isNew: boolean
}

/** Seconds. */
export interface Durations {
  duration: number
  longest: number
  grace: number
}

/** A hold ends after `duration`, but never later than `longest` after it began. */
const EXPIRY =
  "LEAST(clock_timestamp() + :duration * interval '1 second', held_since + :longest * interval '1 second')"
const KEPT = `${EXPIRY} + :grace * interval '1 second'`

export async function writeHolds(
  { sql }: SharedTransaction,
  taken: Taken[],
  { duration, longest, grace }: Durations,
): Promise<void> {
  if (taken.length === 0) {
    return
  }
  await sql.raw(
    `WITH taken AS (
       SELECT taken.*, CASE WHEN "isNew" THEN clock_timestamp()
                ELSE COALESCE((SELECT held_since FROM stripe_hold WHERE stripe_hold.id = taken.id), clock_timestamp()) END AS held_since
         FROM jsonb_to_recordset(CAST(:taken AS jsonb)) AS taken(
           id text, customer_id text, ip_hash text, lines jsonb, reservation_ids text[], "isNew" boolean))
     INSERT INTO stripe_hold (id, customer_id, ip_hash, lines, reservation_ids, held_since, expires_at, kept_until)
     SELECT id, customer_id, ip_hash, lines, reservation_ids, held_since, ${EXPIRY}, ${KEPT} FROM taken ORDER BY id
     ON CONFLICT (id) DO UPDATE
       SET customer_id = EXCLUDED.customer_id, ip_hash = EXCLUDED.ip_hash, lines = EXCLUDED.lines,
           reservation_ids = EXCLUDED.reservation_ids, held_since = EXCLUDED.held_since,
           expires_at = EXCLUDED.expires_at, kept_until = EXCLUDED.kept_until, claimed_at = NULL, updated_at = now()`,
    { taken: JSON.stringify(taken), duration, longest, grace },
  )
}

/** The buyer is at work on the cart. A hold that is over stays so. */
export async function renewHold(db: Database, cart_id: string, durations: Durations): Promise<void> {
  const { duration, longest, grace } = durations
  await db.raw(
    `UPDATE stripe_hold SET expires_at = ${EXPIRY}, kept_until = ${KEPT}, updated_at = now()
      WHERE id = :cart_id AND kept_until > clock_timestamp()`,
    { cart_id, duration, longest, grace },
  )
}

/** A replaced payment is canceled too, a moment before the storefront's next call renews the hold. */
const AFTER_CANCELLATION_SECONDS = 5

/** The buyer is not going to pay. */
export async function endHoldSoon(db: Database, cart_id: string): Promise<void> {
  await db.raw(
    `UPDATE stripe_hold
        SET expires_at = LEAST(expires_at, clock_timestamp()), updated_at = now(),
            kept_until = LEAST(kept_until, clock_timestamp() + ${AFTER_CANCELLATION_SECONDS} * interval '1 second')
      WHERE id = ?`,
    [cart_id],
  )
}

/** What is left of holds whose units were taken. Those with nothing left are removed, the others are for the sweep. */
export async function leaveHolds(
  { sql }: SharedTransaction,
  left: { id: string; reservation_ids: string[] }[],
): Promise<void> {
  if (left.length === 0) {
    return
  }
  const isEmpty = ({ reservation_ids }: { reservation_ids: string[] }) => reservation_ids.length === 0
  await sql.raw(`DELETE FROM stripe_hold WHERE id = ANY(?)`, [left.filter(isEmpty).map(({ id }) => id)])
  const rest = left.filter((one) => !isEmpty(one))
  if (rest.length > 0) {
    await sql.raw(
      `UPDATE stripe_hold AS hold
          SET reservation_ids = rest.reservation_ids, lines = '[]', expires_at = clock_timestamp(),
              kept_until = clock_timestamp(), updated_at = now()
         FROM jsonb_to_recordset(CAST(? AS jsonb)) AS rest(id text, reservation_ids text[]) WHERE hold.id = rest.id`,
      [JSON.stringify(rest)],
    )
  }
}

/** Medusa's cart completion has the units; the hold remembers it until the cart is completed, or has them back. */
export async function markClaimed(
  { sql }: SharedTransaction,
  cart_id: string,
  reservation_ids: string[],
): Promise<void> {
  await sql.raw(
    `UPDATE stripe_hold SET claimed_at = clock_timestamp(), reservation_ids = ?, updated_at = now() WHERE id = ?`,
    [reservation_ids, cart_id],
  )
}

export async function markHeldAgain(
  { sql }: SharedTransaction,
  cart_id: string,
  reservation_ids: string[],
): Promise<void> {
  await sql.raw(
    `UPDATE stripe_hold SET claimed_at = NULL, reservation_ids = ?, updated_at = now() WHERE id = ?`,
    [reservation_ids, cart_id],
  )
}

/** How many carts hold something, by customer and by address. */
export async function countHolds(
  { sql }: SharedTransaction,
  who: { customers: string[]; addresses: string[] },
): Promise<Map<string, number>> {
  const { rows } = await sql.raw(
    `SELECT customer_id AS who, count(*)::int AS count FROM stripe_hold
      WHERE customer_id = ANY(:customers) AND kept_until > clock_timestamp() AND claimed_at IS NULL GROUP BY 1
     UNION ALL
     SELECT ip_hash, count(*)::int FROM stripe_hold
      WHERE ip_hash = ANY(:addresses) AND kept_until > clock_timestamp() AND claimed_at IS NULL GROUP BY 1`,
    who,
  )
  return new Map(rows.map(({ who, count }: { who: string; count: number }) => [who, count]))
}

/** Buyers of these are counted by one transaction at a time, across processes. */
export async function lockBuyers({ sql }: SharedTransaction, who: string[]): Promise<void> {
  await sql.raw(
    `SELECT pg_advisory_xact_lock(key) FROM (
       SELECT DISTINCT hashtextextended('stripe_hold ' || who, 0) AS key FROM unnest(CAST(? AS text[])) AS who
        ORDER BY 1) AS keys`,
    [who],
  )
}
