import type { SharedTransaction } from "./shared-transaction"

type Sql = Pick<SharedTransaction["sql"], "raw">

/**
 * Why sessions that are here lead to no cart and no order. Sessions without a row are left out: another shop's, and those
 * that the storefront replaced, whose rows Medusa deletes after it has canceled their intents.
 */
export async function lostSessions(sql: Sql, ids: string[]): Promise<Map<string, string>> {
  if (ids.length === 0) {
    return new Map()
  }
  const { rows } = await sql.raw(
    `SELECT session.id, session.deleted_at IS NOT NULL AS is_deleted,
            (SELECT cart.id FROM cart_payment_collection AS link JOIN cart ON cart.id = link.cart_id
              WHERE link.payment_collection_id = session.payment_collection_id AND cart.deleted_at IS NOT NULL
              LIMIT 1) AS deleted_cart
       FROM payment_session AS session WHERE session.id = ANY(?)`,
    [ids],
  )
  return new Map((rows as LostSession[]).map((row) => [row.id, reasonOf(row)]))
}

interface LostSession {
  id: string
  is_deleted: boolean
  deleted_cart: string | null
}

function reasonOf({ id, is_deleted, deleted_cart }: LostSession): string {
  if (deleted_cart) {
    return `cart ${deleted_cart} was deleted in Medusa`
  }
  return is_deleted
    ? `payment session ${id} was deleted in Medusa`
    : `payment session ${id} belongs to no cart and no order in Medusa`
}

/** Of these carts, those that were deleted. */
export async function deletedCarts(sql: Sql, ids: string[]): Promise<Set<string>> {
  if (ids.length === 0) {
    return new Set()
  }
  const { rows } = await sql.raw(`SELECT id FROM cart WHERE id = ANY(?) AND deleted_at IS NOT NULL`, [ids])
  return new Set(rows.map(({ id }: { id: string }) => id))
}
