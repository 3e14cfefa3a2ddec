import { z } from "@medusajs/framework/zod"
import type Stripe from "stripe"
import { storableText } from "../payments/storable"
import { NeedsReview, type OrderDetails, type OrderSource, type Query } from "./order-draft"

const MAX_ITEMS = 100

/** An id that Postgres can be asked for: items are JSON in JSON, which may hold a NUL of its own. */
const id = z
  .string()
  .min(1)
  .max(255)
  .refine((text) => storableText(text) === text, "holds a character that no id has")

const itemList = z
  .array(z.object({ variant_id: id, quantity: z.int().positive() }))
  .min(1)
  .max(MAX_ITEMS)

/** What a store's own rule may answer for a payment of another seller in the same Stripe account. */
export const NOT_OURS = "not ours"

/** What a store's own rule may answer for a payment, in the hook `orderContent`. */
const hookAnswer = z.union([
  z.object({ cart_id: id }),
  z.object({
    items: itemList,
    email: z.string().optional(),
    customer_id: id.optional(),
    region_id: id.optional(),
    sales_channel_id: id.optional(),
    shipping_option_id: id.optional(),
  }),
])

export interface Session {
  id: string
  payment_collection_id: string
  payment_collection?: { cart?: { id: string }; order?: { id: string } }
  /** Medusa's payment, once it is authorized */
  payment?: { id: string }
}

export type Sessions = Map<string, Session>

/** The Medusa payment sessions that the payments name, in one query. */
export async function loadSessions(query: Query, intents: Stripe.PaymentIntent[]): Promise<Sessions> {
  const ids = intents.flatMap(({ metadata }) => metadata.session_id || [])
  if (ids.length === 0) {
    return new Map()
  }
  const { data } = await query.graph({
    entity: "payment_session",
    fields: [
      "id",
      "payment_collection_id",
      "payment_collection.cart.id",
      "payment_collection.order.id",
      "payment.id",
    ],
    filters: { id: ids },
  })
  return new Map((data as unknown as Session[]).map((session) => [session.id, session]))
}

/**
 * Says where the payment's order comes from: its payment session or cart, its list of items, or null where
 * only the store's own rule can tell.
 *
 * @throws NeedsReview where the payment says something that can't be followed
 */
export function sourceOf(intent: Stripe.PaymentIntent, sessions: Sessions): OrderSource | null {
  const { session_id, cart_id, items } = intent.metadata
  const session = session_id ? sessions.get(session_id) : undefined
  const collection = session?.payment_collection
  if (session && collection?.order) {
    const cart_id = collection.cart?.id ?? null
    return { kind: "order", order_id: collection.order.id, cart_id, payment_session_id: session.id }
  }
  if (session && collection?.cart) {
    const { payment_collection_id } = session
    return {
      kind: "cart",
      cart_id: collection.cart.id,
      payment_session_id: session.id,
      payment_collection_id,
    }
  }
  if (cart_id) {
    return { kind: "cart", cart_id }
  }
  if (items) {
    return { kind: "items", items: parseItems(items), details: detailsOf(intent.metadata) }
  }
  return null
}

/** The answer of the store's rule, checked: a hook is the store's code, and its answer decides what is sold. */
export function sourceFromHook(answer: unknown): OrderSource | null {
  if (answer === undefined || answer === null) {
    return null
  }
  const parsed = hookAnswer.safeParse(answer)
  if (!parsed.success) {
    throw new NeedsReview(
      `the store's orderContent hook gave an answer that can't be used: ${explain(parsed.error)}`,
    )
  }
  if ("cart_id" in parsed.data) {
    return { kind: "cart", cart_id: parsed.data.cart_id }
  }
  const { items, ...details } = parsed.data
  return { kind: "items", items, details }
}

function parseItems(text: string) {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    throw new NeedsReview(
      'metadata.items is not JSON; it must be a list like [{"variant_id":"variant_…","quantity":1}]',
    )
  }
  const parsed = itemList.safeParse(json)
  if (!parsed.success) {
    throw new NeedsReview(`metadata.items can't be used: ${explain(parsed.error)}`)
  }
  return parsed.data
}

function detailsOf(metadata: Stripe.Metadata): OrderDetails {
  const { email, customer_id, region_id, sales_channel_id, shipping_option_id } = metadata
  return { email, customer_id, region_id, sales_channel_id, shipping_option_id }
}

function explain(error: z.ZodError): string {
  return error.issues.map(({ path, message }) => `${path.join(".") || "it"}: ${message}`).join("; ")
}
