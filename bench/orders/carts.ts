import { startStripeLocal } from "@holdfast/stripe-local"
import pg from "pg"
import type Stripe from "stripe"
import { StoreClient } from "../../apps/backend/launch/shop-api/store-client.ts"
import { openShop, type PreparedShop } from "../medusa/shop.ts"
import { purchaseOf } from "./payments.ts"
import { stripeEnv } from "./stripe-env.ts"

/** Copies of one cart that is ready to be paid for, each with its own payment session and buyer. */
export interface CartCopies {
  /** How Medusa's Stripe provider makes the payment intent of the `index`th cart. */
  intentOf(index: number): Stripe.PaymentIntentCreateParams
}

/** The rows of a cart, from its session up. $1: the cart. */
const ROWS: Readonly<Record<string, string>> = {
  customer: "id = (SELECT customer_id FROM cart WHERE id = $1)",
  cart_address:
    "id IN (SELECT unnest(ARRAY[shipping_address_id, billing_address_id]) FROM cart WHERE id = $1)",
  cart: "id = $1",
  cart_line_item: "cart_id = $1",
  cart_line_item_tax_line: "item_id IN (SELECT id FROM cart_line_item WHERE cart_id = $1)",
  cart_shipping_method: "cart_id = $1",
  cart_shipping_method_tax_line:
    "shipping_method_id IN (SELECT id FROM cart_shipping_method WHERE cart_id = $1)",
  payment_collection: "id IN (SELECT payment_collection_id FROM cart_payment_collection WHERE cart_id = $1)",
  cart_payment_collection: "cart_id = $1",
  payment_session:
    "payment_collection_id IN (SELECT payment_collection_id FROM cart_payment_collection WHERE cart_id = $1)",
}

/**
 * Prepares one cart through the store API, and copies its rows: a cart takes Medusa 0.6 s of CPU, and a copy of one 1 ms.
 */
export async function prepareCartCopies(prepared: PreparedShop, count: number): Promise<CartCopies> {
  const stripe = await startStripeLocal()
  const shop = await openShop(prepared.databaseUrl, stripeEnv(stripe))
  const client = new pg.Client({ connectionString: prepared.databaseUrl })
  await client.connect()
  try {
    const email = "original@shop.example"
    const { capture, ...purchase } = purchaseOf({ capture: "automatic" }, email)
    const paymentData = { capture_method: capture }
    const { session } = await new StoreClient(shop.url, prepared.seeded).checkOut({
      ...purchase,
      paymentData,
    })
    const intent = await stripe.driver().paymentIntents.retrieve(String(session.data.id))
    const cart = await client.query<{ id: string }>("SELECT id FROM cart")
    await copyRows(client, cart.rows[0]?.id ?? "", email, count)
    return {
      intentOf: (index) => ({
        amount: intent.amount,
        currency: intent.currency,
        capture_method: "automatic",
        metadata: { ...intent.metadata, session_id: copyOf(intent.metadata.session_id ?? "", index) },
      }),
    }
  } finally {
    await client.end()
    await shop.stop()
    await stripe.close()
  }
}

/** An id keeps its prefix and its length, and ends in the number of the copy. */
function copyOf(id: string, index: number): string {
  const number = String(index).padStart(6, "0")
  return id.slice(0, -number.length) + number
}

async function copyRows(client: pg.Client, cartId: string, email: string, count: number): Promise<void> {
  const tables: { table: string; rows: Record<string, unknown>[] }[] = []
  for (const [table, condition] of Object.entries(ROWS)) {
    const found = await client.query<{ row: Record<string, unknown> }>(
      `SELECT to_jsonb(t) AS row FROM "${table}" AS t WHERE ${condition}`,
      [cartId],
    )
    tables.push({ table, rows: found.rows.map(({ row }) => row) })
  }
  const ids = tables.flatMap(({ rows }) => rows.map(({ id }) => String(id)))
  for (const { table, rows } of tables) {
    const original = JSON.stringify(rows)
    const copies = Array.from({ length: count }, (_, index) => {
      const copied = ids.reduce((text, id) => text.replaceAll(id, copyOf(id, index)), original)
      return JSON.parse(copied.replaceAll(email, `buyer${index}@shop.example`))
    }).flat()
    await client.query(
      `INSERT INTO "${table}" SELECT * FROM jsonb_populate_recordset(NULL::"${table}", $1)`,
      [JSON.stringify(copies)],
    )
  }
}
