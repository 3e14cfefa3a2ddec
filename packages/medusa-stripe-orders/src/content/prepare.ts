import type { BigNumberInput, MedusaContainer } from "@medusajs/framework/types"
import { BigNumber, ContainerRegistrationKeys, decorateCartTotals, Modules } from "@medusajs/framework/utils"
import { formatMinorUnits, toMinorUnits } from "../settlement/amounts"
import { NeedsReview, type OrderContent, type OrderData, type Payment, type SetAside } from "./content"
import { findOrCreateCustomer } from "./customers"
import { type Cart, loadCarts, orderFromCart } from "./from-cart"
import { orderFromItems } from "./from-items"
import { demandsOf, loadStockLocations, loadVariants, type Variant } from "./variants"

export interface Prepared extends SetAside {
  contents: OrderContent[]
}

/** What the batch needs of the shop, read once for all of its payments. */
interface Stockroom {
  carts: Map<string, Cart>
  variants: Map<string, Variant>
  /** by sales channel, filled as the payments ask */
  locations: Map<string, string[]>
}

type Outline = Omit<OrderContent, "payment" | "demands" | "total">

/**
 * Turns payments into orders that lack nothing but stock. What is wrong with one payment is said of that one
 * and stops no other.
 */
export async function prepareContents(container: MedusaContainer, payments: Payment[]): Promise<Prepared> {
  const stockroom = await readStockroom(container, payments)
  const prepared: Prepared = { contents: [], reviews: [], failures: [] }
  for (const payment of payments) {
    try {
      prepared.contents.push(await prepareContent(container, payment, stockroom))
    } catch (error) {
      const { message } = error as Error
      if (error instanceof NeedsReview) {
        prepared.reviews.push({ id: payment.id, reason: message })
      } else {
        prepared.failures.push({ id: payment.id, error: message })
      }
    }
  }
  return prepared
}

async function readStockroom(container: MedusaContainer, payments: Payment[]): Promise<Stockroom> {
  const query = container.resolve(ContainerRegistrationKeys.QUERY)
  const cartIds = payments.flatMap(({ source }) => (source.kind === "cart" ? [source.cart_id] : []))
  const carts = await loadCarts(query, [...new Set(cartIds)])
  const inCarts = [...carts.values()].flatMap(({ items }) =>
    (items ?? []).flatMap((item) => item.variant_id ?? []),
  )
  const named = payments.flatMap(({ source }) =>
    source.kind === "items" ? source.items.map(({ variant_id }) => variant_id) : [],
  )
  const variants = await loadVariants(query, [...new Set([...inCarts, ...named])])
  return { carts, variants, locations: new Map() }
}

async function prepareContent(
  container: MedusaContainer,
  payment: Payment,
  { carts, variants, locations }: Stockroom,
): Promise<OrderContent> {
  const outline = await outlineOf(container, payment, carts, variants)
  // Amounts come from Medusa as BigNumber objects, which no copy survives; as JSON they are numbers.
  const order: OrderData = JSON.parse(JSON.stringify(outline.order))
  const total = totalOf(order)
  checkAmount(payment, order, total)
  await addCustomer(container, order)
  const places = await stockLocations(container, locations, order.sales_channel_id)
  const demands = order.items.flatMap((line) => demandsOf(line, variants, places))
  return { ...outline, order, payment, total, demands }
}

/** A batch is mostly of one sales channel: its locations are asked for once. */
async function stockLocations(
  container: MedusaContainer,
  known: Map<string, string[]>,
  channel: string | undefined,
): Promise<string[]> {
  if (!channel) {
    return []
  }
  const query = container.resolve(ContainerRegistrationKeys.QUERY)
  const places = known.get(channel) ?? (await loadStockLocations(query, channel))
  known.set(channel, places)
  return places
}

async function outlineOf(
  container: MedusaContainer,
  payment: Payment,
  carts: Map<string, Cart>,
  variants: Map<string, Variant>,
): Promise<Outline> {
  const { source } = payment
  if (source.kind === "items") {
    const order = await orderFromItems(container, payment, source, variants)
    const nothing = { cart_id: null, payment_session_id: null, payment_collection_id: null }
    return { ...nothing, order, promotion_ids: [], promotion_usage: [] }
  }
  const cart = carts.get(source.cart_id)
  if (!cart) {
    throw new NeedsReview(`cart ${source.cart_id} does not exist`)
  }
  return {
    ...orderFromCart(cart),
    cart_id: cart.id,
    payment_session_id: source.payment_session_id ?? null,
    payment_collection_id: source.payment_collection_id ?? cart.payment_collection?.id ?? null,
  }
}

/** As the Order Module itself reckons it when it creates the order; a copy, since it writes into what it gets. */
function totalOf(order: OrderData): number {
  const copy = structuredClone(order) as unknown as Parameters<typeof decorateCartTotals>[0]
  const { total } = decorateCartTotals(copy) as unknown as { total: BigNumberInput }
  return new BigNumber(total).numeric
}

/** What was paid against what is ordered, both in Stripe's minor units. */
function checkAmount(payment: Payment, order: OrderData, total: number): void {
  const currency = order.currency_code?.toLowerCase() ?? ""
  if (currency !== payment.currency) {
    throw new NeedsReview(
      `paid in ${payment.currency.toUpperCase()}, but ordered in ${currency.toUpperCase()}`,
    )
  }
  const ordered = toMinorUnits(total, currency)
  if (ordered !== payment.amount) {
    const [paid, due] = [payment.amount, ordered].map((amount) => formatMinorUnits(amount, currency))
    throw new NeedsReview(`paid ${paid}, but the order comes to ${due}`)
  }
}

async function addCustomer(container: MedusaContainer, order: OrderData): Promise<void> {
  if (order.customer_id || !order.email) {
    return
  }
  const names = {
    first_name: order.shipping_address?.first_name ?? undefined,
    last_name: order.shipping_address?.last_name ?? undefined,
  }
  order.customer_id = await findOrCreateCustomer(container.resolve(Modules.CUSTOMER), order.email, names)
}
