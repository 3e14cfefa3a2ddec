import type { SharedTransaction } from "./shared-transaction"

/** A payment as Medusa has it. */
export interface MedusasPayment {
  id: string
  captured: boolean
  /** What its session asked for, major units. */
  amount: number
  currency: string
}

/** An order that a cart has become. */
export interface OrderedPayment {
  order_id: string
  /** Medusa's payments of the order */
  payments: (MedusasPayment & {
    payment_intent_id: string | null
    /** The order's transactions lack a capture of it: cart completion writes them last. */
    untold: boolean
  })[]
}

/** The orders that carts have become, by cart; with what Medusa knows of their payments. */
export async function ordersOfCarts(
  { sql }: { sql: Pick<SharedTransaction["sql"], "raw"> },
  cartIds: string[],
): Promise<Map<string, OrderedPayment>> {
  if (cartIds.length === 0) {
    return new Map()
  }
  const { rows } = await sql.raw(
    `SELECT order_cart.cart_id, order_cart.order_id,
            COALESCE(jsonb_agg(jsonb_build_object(
              'id', payment.id, 'payment_intent_id', payment.data->>'id',
              'amount', payment.amount, 'currency', payment.currency_code,
              'captured', payment.captured_at IS NOT NULL OR EXISTS (
                SELECT 1 FROM capture WHERE capture.payment_id = payment.id AND capture.deleted_at IS NULL),
              'untold', EXISTS (
                SELECT 1 FROM capture WHERE capture.payment_id = payment.id AND capture.deleted_at IS NULL AND NOT EXISTS (
                  SELECT 1 FROM order_transaction AS told WHERE told.order_id = order_cart.order_id
                     AND told.reference_id = capture.id AND told.deleted_at IS NULL))
            )) FILTER (WHERE payment.id IS NOT NULL), '[]') AS payments
       FROM order_cart
       LEFT JOIN order_payment_collection AS collection
         ON collection.order_id = order_cart.order_id AND collection.deleted_at IS NULL
       LEFT JOIN payment
         ON payment.payment_collection_id = collection.payment_collection_id AND payment.deleted_at IS NULL
      WHERE order_cart.cart_id = ANY(?) AND order_cart.deleted_at IS NULL
      GROUP BY order_cart.cart_id, order_cart.order_id`,
    [cartIds],
  )
  return new Map((rows as (OrderedPayment & { cart_id: string })[]).map((row) => [row.cart_id, row]))
}

/** A payment session of an order that exists. */
export interface SessionOfOrder {
  id: string
  order_id: string
  payment_collection_id: string
  provider_id: string
  /** major units */
  amount: number
  currency: string
  /** the payment intent that Medusa's provider made for it */
  payment_intent_id: string | null
  /** Medusa's payment, once it is authorized */
  payment: MedusasPayment | null
  status: string
  /** A payment of the collection, of this session or another, has been made. */
  is_paid: boolean
}

/** These sessions, locked until the transaction ends; those that belong to no order are left out. */
export async function sessionsOfOrders(
  { sql }: SharedTransaction,
  sessionIds: string[],
): Promise<Map<string, SessionOfOrder>> {
  if (sessionIds.length === 0) {
    return new Map()
  }
  await sql.raw(`SELECT id FROM payment_session WHERE id = ANY(?) ORDER BY id FOR UPDATE`, [sessionIds])
  const { rows } = await sql.raw(
    `SELECT session.id, link.order_id, session.payment_collection_id, session.provider_id, session.amount::float8 AS amount,
            session.currency_code AS currency, session.status, session.data->>'id' AS payment_intent_id,
            CASE WHEN payment.id IS NOT NULL THEN jsonb_build_object('id', payment.id, 'captured',
              payment.captured_at IS NOT NULL, 'amount', payment.amount, 'currency', payment.currency_code) END AS payment,
            EXISTS (SELECT 1 FROM payment AS any_payment
                     WHERE any_payment.payment_collection_id = session.payment_collection_id
                       AND any_payment.deleted_at IS NULL AND any_payment.canceled_at IS NULL) AS is_paid
       FROM payment_session AS session
       JOIN order_payment_collection AS link
         ON link.payment_collection_id = session.payment_collection_id AND link.deleted_at IS NULL
       LEFT JOIN payment ON payment.payment_session_id = session.id AND payment.deleted_at IS NULL
      WHERE session.id = ANY(?) AND session.deleted_at IS NULL`,
    [sessionIds],
  )
  return new Map((rows as SessionOfOrder[]).map((row) => [row.id, row]))
}

/** The sessions whose money Medusa has given back meanwhile, as complete-cart does when it fails after it authorized. */
export async function sessionsGivenBack(
  { sql }: SharedTransaction,
  sessionIds: string[],
): Promise<Set<string>> {
  if (sessionIds.length === 0) {
    return new Set()
  }
  const { rows } = await sql.raw(
    `SELECT payment_session_id AS id FROM payment
      WHERE payment_session_id = ANY(?) AND deleted_at IS NULL
        AND (canceled_at IS NOT NULL OR EXISTS (
          SELECT 1 FROM refund WHERE refund.payment_id = payment.id AND refund.deleted_at IS NULL))`,
    [sessionIds],
  )
  return new Set(rows.map(({ id }: { id: string }) => id))
}

/** Of these orders, those with a line whose stock is not reserved: the cart completion that made them died before. */
export async function ordersWithoutStock(
  { sql }: SharedTransaction,
  orderIds: string[],
): Promise<Set<string>> {
  if (orderIds.length === 0) {
    return new Set()
  }
  const { rows } = await sql.raw(
    `SELECT DISTINCT item.order_id AS id
       FROM order_item AS item
       JOIN order_line_item AS line ON line.id = item.item_id
       JOIN product_variant AS variant ON variant.id = line.variant_id AND variant.manage_inventory
      WHERE item.order_id = ANY(?) AND item.deleted_at IS NULL
        AND NOT EXISTS (SELECT 1 FROM reservation_item AS reserved
                         WHERE reserved.line_item_id = line.id AND reserved.deleted_at IS NULL)`,
    [orderIds],
  )
  return new Set(rows.map(({ id }: { id: string }) => id))
}
