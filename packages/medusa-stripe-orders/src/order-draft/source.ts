import { z } from "@medusajs/framework/zod"
import type Stripe from "stripe"
import { type Item, MOST_ITEMS, readItems } from "../items-metadata"
import { storableText } from "../payments/storable"
import { type CheckoutSession, cartReferredTo, linesOf, referenceOf } from "./checkout-session"
import { NeedsReview, type OrderDetails, type OrderSource, type Query } from "./order-draft"

/** An id that Postgres can be asked for: items are JSON in JSON, which may hold a NUL of its own. */
const id = z
  .string()
  .min(1)
  .max(255)
  .refine((text) => storableText(text) === text, "holds a character that no id has")

const itemList = z
  .array(z.object({ variant_id: id, quantity: z.int().positive() }))
  .min(1)
  .max(MOST_ITEMS)

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
export async function loadSessions(query: Query, ids: string[]): Promise<Sessions> {
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
export function sourceOf(
  intent: Stripe.PaymentIntent,
  sessions: Sessions,
  checkout: CheckoutSession | null,
): OrderSource | null {
  const session = sessions.get(sessionIdOf(intent, checkout) ?? "")
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
  return named(intent.metadata) ?? (checkout && soldBy(checkout))
}

/** Medusa's payment session, as the payment or its Checkout Session names it. */
export function sessionIdOf(
  { metadata }: Stripe.PaymentIntent,
  checkout: CheckoutSession | null,
): string | undefined {
  return metadata.session_id || checkout?.metadata?.session_id || undefined
}

/** Whether metadata says what was bought; a payment that doesn't may be of Stripe's Checkout. */
export function saysWhatWasBought({ session_id, cart_id, items, items_1 }: Stripe.Metadata): boolean {
  return Boolean(session_id || cart_id || items || items_1)
}

function named(metadata: Stripe.Metadata): OrderSource | null {
  if (metadata.cart_id) {
    return { kind: "cart", cart_id: metadata.cart_id }
  }
  const items = itemsOf(metadata)
  return items && { kind: "items", items, details: detailsOf(metadata) }
}

/** What a Checkout Session says was bought: in its metadata, by its reference to a cart, or by its own lines. */
function soldBy(session: CheckoutSession): OrderSource | null {
  const metadata = session.metadata ?? {}
  const cart_id = cartReferredTo(session)
  if (!saysWhatWasBought(metadata) && cart_id) {
    return { kind: "cart", cart_id }
  }
  const source = named(metadata)
  if (source || !linesOf(session).some((line) => referenceOf(line))) {
    return source
  }
  return { kind: "checkout", session, details: detailsOf(metadata) }
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

function itemsOf(metadata: Stripe.Metadata): Item[] | null {
  let items: unknown
  try {
    items = readItems(metadata)
  } catch (error) {
    throw new NeedsReview(`metadata.items ${(error as Error).message}`)
  }
  if (items === null) {
    return null
  }
  const parsed = itemList.safeParse(items)
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
