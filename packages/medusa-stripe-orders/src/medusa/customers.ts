import { newId } from "../ids"
import type { OrderDraft } from "../order-draft/order-draft"
import type { Database } from "../payments/payments"
import type { SharedTransaction } from "./shared-transaction"

/** A customer who is known already, with the groups that prices depend on. */
export interface Buyer {
  id: string
  groups: string[]
}

/** The customers of these payments, in their order: by id, or by e-mail address, a registered one before a guest. */
export async function loadBuyers(
  db: Database,
  wanted: { customer_id?: string; email?: string }[],
): Promise<(Buyer | undefined)[]> {
  const ids = wanted.flatMap(({ customer_id }) => customer_id ?? [])
  const emails = wanted.flatMap(({ customer_id, email }) => (email && !customer_id ? [keyOf(email)] : []))
  if (ids.length + emails.length === 0) {
    return wanted.map(() => undefined)
  }
  const { rows } = await db.raw(
    `SELECT customer.id, lower(customer.email) AS email, customer.has_account,
            ARRAY(SELECT customer_group_id FROM customer_group_customer AS member
                   WHERE member.customer_id = customer.id AND member.deleted_at IS NULL ORDER BY 1) AS groups
       FROM customer
      WHERE (customer.id = ANY(?) OR lower(customer.email) = ANY(?)) AND customer.deleted_at IS NULL
      ORDER BY customer.has_account DESC, customer.created_at`,
    [ids, emails],
  )
  const customers = rows as (Buyer & { email: string })[]
  return wanted.map(({ customer_id, email }) =>
    customers.find((one) => (customer_id ? one.id === customer_id : one.email === keyOf(email))),
  )
}

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
    return { id: newId("cus"), email, first_name, last_name }
  })
  const { rows: customers } = await sql.raw(
    `WITH wanted AS (
       SELECT * FROM jsonb_to_recordset(CAST(? AS jsonb)) AS w(id text, email text, first_name text, last_name text)),
     known AS (
       SELECT DISTINCT ON (wanted.email) customer.id, wanted.email
         FROM wanted JOIN customer ON lower(customer.email) = wanted.email
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

/** Medusa's guests are lower case; its registered customers, its carts and Stripe are as typed. */
function keyOf(email: string | undefined): string {
  return email?.trim().toLowerCase() ?? ""
}
