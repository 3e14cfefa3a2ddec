import { newId } from "../ids"
import type { OrderDraft } from "../order-draft/order-draft"
import type { SharedTransaction } from "./shared-transaction"

/**
 * Gives each order its customer: the one with its e-mail address, a registered one before a guest as in Medusa, and a
 * new guest where there is none. In the order's own transaction, so that no customer is left of a payment that found no
 * stock.
 *
 * Two first payments of one new customer come here at once: the database lets one insert, and the other finds the row.
 */
export async function assignCustomers({ sql }: SharedTransaction, drafts: OrderDraft[]): Promise<void> {
  const orders = drafts.map(({ order }) => order).filter(({ customer_id, email }) => !customer_id && email)
  if (orders.length === 0) {
    return
  }
  const guests = new Map(orders.map((order) => [keyOf(order.email), order]))
  const rows = [...guests].map(([email, order]) => {
    const { first_name, last_name } = (order.shipping_address ?? {}) as {
      first_name?: string
      last_name?: string
    }
    return { id: newId("cus"), email, typed: order.email, first_name, last_name }
  })
  const { rows: customers } = await sql.raw(
    `WITH wanted AS (
       SELECT * FROM jsonb_to_recordset(CAST(? AS jsonb)) AS w(id text, email text, typed text, first_name text, last_name text)),
     known AS (
       SELECT DISTINCT ON (wanted.email) customer.id, wanted.email
         FROM wanted JOIN customer ON customer.email = ANY(ARRAY[wanted.email, wanted.typed])
        WHERE customer.deleted_at IS NULL
        ORDER BY wanted.email, customer.has_account DESC, customer.created_at),
     created AS (
       INSERT INTO customer (id, email, first_name, last_name, has_account)
       SELECT id, email, first_name, last_name, false FROM wanted WHERE email NOT IN (SELECT email FROM known)
       ORDER BY email
       ON CONFLICT (email, has_account) WHERE deleted_at IS NULL DO UPDATE SET updated_at = now()
       RETURNING id, email)
     SELECT id, email FROM known UNION ALL SELECT id, lower(email) FROM created`,
    [JSON.stringify(rows)],
  )
  const ids = new Map(customers.map(({ id, email }: { id: string; email: string }) => [email, id]))
  for (const order of orders) {
    order.customer_id = ids.get(keyOf(order.email)) as string | undefined
  }
}

/** Medusa's customers are lower case, its carts and Stripe are as typed. */
function keyOf(email: string | undefined): string {
  return email?.trim().toLowerCase() ?? ""
}
