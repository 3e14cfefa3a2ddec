import { isAtRest } from "@holdfast/medusa-stripe-orders/payments/states"
import type { StripeLocal } from "@holdfast/stripe-local"
import type pg from "pg"
import type Stripe from "stripe"
import { readStock } from "../../launch/stock.ts"
import type { Level, Order, PaymentRow, Snapshot, StripePayment } from "./snapshot.ts"

export interface Sources {
  stripe: StripeLocal
  /** The logs of the shop's processes, in which its subscriber writes. */
  logs: string[]
  /** What each item's stock may be, by all that was done to it. */
  explained: ReadonlyMap<string, number[]>
}

/** Reads a shop that is at rest: its database, as of one moment where the client is in a transaction, and Stripe. */
export async function readSnapshot(
  client: pg.Client,
  { stripe, logs, explained }: Sources,
): Promise<Snapshot> {
  return {
    payments: await readStripe(stripe.driver()),
    rows: await readRows(client),
    orders: await readOrders(client),
    levels: await readLevels(client, explained),
    announcements: countAnnouncements(logs),
  }
}

async function readStripe(stripe: Stripe): Promise<StripePayment[]> {
  const refunded = new Map<string, number>()
  for await (const { payment_intent, status, amount } of stripe.refunds.list({ limit: 100 })) {
    const id = String(payment_intent)
    if (status === "succeeded") refunded.set(id, (refunded.get(id) ?? 0) + amount)
  }
  const disputes = new Map<string, string[]>()
  for await (const { payment_intent, status } of stripe.disputes.list({ limit: 100 })) {
    const id = String(payment_intent)
    disputes.set(id, [...(disputes.get(id) ?? []), status])
  }
  const payments: StripePayment[] = []
  for await (const intent of stripe.paymentIntents.list({ limit: 100 })) {
    const { id, status, amount, amount_received: captured, amount_capturable: held } = intent
    payments.push({
      id,
      status,
      amount,
      captured,
      // Stripe releases an authorization by a refund too, though nothing was captured.
      refunded: captured > 0 ? (refunded.get(id) ?? 0) : 0,
      held,
      disputes: disputes.get(id) ?? [],
      outOfStock: intent.metadata.out_of_stock ?? null,
    })
  }
  return payments
}

async function readRows(client: pg.Client): Promise<PaymentRow[]> {
  const { rows } = await client.query<Omit<PaymentRow, "atRest">>(
    `SELECT id, status, reason, order_id AS "orderId" FROM stripe_payment WHERE deleted_at IS NULL`,
  )
  return rows.map((row) => ({ ...row, atRest: isAtRest(row.status) }))
}

type Sums = Record<string, number> | null

interface OrderRow {
  id: string
  canceled: boolean
  currency: string
  cartIds: string[]
  paid: number
  payments: Order["payments"]
  units: Sums
  reserved: Sums
}

const SUMS = (from: string, quantity: string, item: string) =>
  `(SELECT jsonb_object_agg(item, quantity) FROM
     (SELECT ${item} AS item, sum(${quantity})::float8 AS quantity ${from} GROUP BY 1) AS sums)`

const LINES = `FROM order_item AS i JOIN order_line_item AS li ON li.id = i.item_id`
const OF_ORDER = `WHERE i.order_id = o.id AND i.version = o.version AND i.deleted_at IS NULL`

const ORDERS = `
  SELECT o.id, o.canceled_at IS NOT NULL AS canceled, o.currency_code AS currency,
         array(SELECT cart_id FROM order_cart AS l WHERE l.order_id = o.id AND l.deleted_at IS NULL) AS "cartIds",
         (SELECT COALESCE(sum(t.amount), 0)::float8 FROM order_transaction AS t
           WHERE t.order_id = o.id AND t.deleted_at IS NULL) AS paid,
         COALESCE((SELECT jsonb_agg(jsonb_build_object('id', p.id, 'intent', p.data->>'id',
             'captured', (SELECT COALESCE(sum(amount), 0) FROM capture AS c WHERE c.payment_id = p.id AND c.deleted_at IS NULL),
             'refunded', (SELECT COALESCE(sum(amount), 0) FROM refund AS r WHERE r.payment_id = p.id AND r.deleted_at IS NULL)))
            FROM order_payment_collection AS l JOIN payment AS p ON p.payment_collection_id = l.payment_collection_id
           WHERE l.order_id = o.id AND l.deleted_at IS NULL AND p.deleted_at IS NULL), '[]') AS payments,
         ${SUMS(
           `${LINES} JOIN product_variant_inventory_item AS v ON v.variant_id = li.variant_id AND v.deleted_at IS NULL ${OF_ORDER}`,
           "i.quantity * v.required_quantity",
           "v.inventory_item_id",
         )} AS units,
         ${SUMS(
           `${LINES} JOIN reservation_item AS r ON r.line_item_id = li.id AND r.deleted_at IS NULL ${OF_ORDER}`,
           "r.quantity",
           "r.inventory_item_id",
         )} AS reserved
    FROM "order" AS o WHERE o.deleted_at IS NULL AND o.is_draft_order IS NOT TRUE`

async function readOrders(client: pg.Client): Promise<Order[]> {
  const { rows } = await client.query<OrderRow>(ORDERS)
  return rows.map(({ currency, paid, payments, units, reserved, ...order }) => ({
    ...order,
    paid: toMinor(paid, currency),
    payments: payments.map(({ captured, refunded, ...payment }) => ({
      ...payment,
      captured: toMinor(captured, currency),
      refunded: toMinor(refunded, currency),
    })),
    units: units ?? {},
    reserved: reserved ?? {},
  }))
}

/** Reckoned apart from the plugin, which is judged by it. Medusa doesn't round totals. */
function toMinor(amount: number, currency: string): number {
  const digits = new Intl.NumberFormat("en", { style: "currency", currency }).resolvedOptions()
    .maximumFractionDigits
  return Math.round(Number((amount * 10 ** (digits ?? 2)).toFixed(6)))
}

async function readLevels(client: pg.Client, explained: ReadonlyMap<string, number[]>): Promise<Level[]> {
  const levels = await readStock(client)
  const held = await readHeld(client)
  return levels.map(({ inventoryItemId: item, sku, stocked, reserved, reservations, agree }) => ({
    ...{ item, sku, stocked, reserved, reservations, agree },
    held: held.get(item) ?? 0,
    explained: explained.get(item) ?? [],
  }))
}

/** What carts hold, by item. */
async function readHeld(client: pg.Client): Promise<Map<string, number>> {
  const { rows } = await client.query<{ item: string; held: number }>(
    `SELECT item.inventory_item_id AS item, sum(item.quantity)::float8 AS held
       FROM stripe_hold AS hold JOIN reservation_item AS item ON item.id = ANY(hold.reservation_ids)
      WHERE hold.claimed_at IS NULL AND item.deleted_at IS NULL GROUP BY 1`,
  )
  return new Map(rows.map(({ item, held }) => [item, held]))
}

function countAnnouncements(logs: string[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const log of logs)
    for (const [, order = ""] of log.matchAll(/Order placed: (order_\w+)/g))
      counts[order] = (counts[order] ?? 0) + 1
  return counts
}
