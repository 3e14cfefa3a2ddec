import type { SharedTransaction } from "./shared-transaction"

type Sql = Pick<SharedTransaction["sql"], "raw">

export interface CartLine {
  id: string
  variant_id: string | null
  quantity: number
  title: string
  sku: string | null
}

/** A cart as far as its stock is concerned. */
export interface CartContents {
  id: string
  customer_id: string | null
  sales_channel_id: string | null
  is_completed: boolean
  lines: CartLine[]
}

/** Carts that were not deleted, by id: one statement for many. */
export async function readCartContents(sql: Sql, ids: string[]): Promise<Map<string, CartContents>> {
  const { rows } = await sql.raw(
    `SELECT cart.id, cart.customer_id, cart.sales_channel_id, cart.completed_at IS NOT NULL AS is_completed,
            COALESCE((
              SELECT jsonb_agg(jsonb_build_object('id', line.id, 'variant_id', line.variant_id,
                       'quantity', line.quantity, 'title', COALESCE(line.product_title, line.title),
                       'sku', line.variant_sku) ORDER BY line.id)
                FROM cart_line_item AS line WHERE line.cart_id = cart.id AND line.deleted_at IS NULL), '[]') AS lines
       FROM cart WHERE cart.id = ANY(?) AND cart.deleted_at IS NULL`,
    [ids],
  )
  return new Map((rows as CartContents[]).map((cart) => [cart.id, cart]))
}

/** The cart that a payment collection is of. */
export async function cartOfCollection(sql: Sql, collection_id: string): Promise<string | null> {
  const { rows } = await sql.raw(
    `SELECT cart_id FROM cart_payment_collection WHERE payment_collection_id = ? AND deleted_at IS NULL`,
    [collection_id],
  )
  return rows[0]?.cart_id ?? null
}

/** The cart that a payment session is of, unless the session was replaced by another. */
export async function cartOfSession(sql: Sql, session_id: string): Promise<string | null> {
  const { rows } = await sql.raw(
    `SELECT link.cart_id FROM payment_session AS session
       JOIN cart_payment_collection AS link
         ON link.payment_collection_id = session.payment_collection_id AND link.deleted_at IS NULL
      WHERE session.id = ? AND session.deleted_at IS NULL`,
    [session_id],
  )
  return rows[0]?.cart_id ?? null
}
