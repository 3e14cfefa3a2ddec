import type { MedusaContainer } from "@medusajs/framework/types"
import { ContainerRegistrationKeys } from "@medusajs/framework/utils"
import { formatMinorUnits, toMinorUnits } from "./amounts"
import { addressesOf, emailOf } from "./checkout-session"
import { orderFromCart } from "./from-cart"
import { orderFromCheckout } from "./from-checkout"
import { orderFromItems } from "./from-items"
import { NeedsReview, type OrderDraft, type OrderOutline, type PaidPayment } from "./order-draft"
import { readShop, type Shop, type SourcedPayment, unique } from "./shop"
import { addTaxLines } from "./taxes"
import { totalOf } from "./total"
import { demandsOf, loadStockLocations } from "./variants"

/** By payment: its order, or why there is none. */
export interface Drafted {
  drafts: OrderDraft[]
  reviews: { id: string; reason: string }[]
  failures: { id: string; error: Error }[]
}

/**
 * Turns payments into orders that lack nothing but stock. The shop is read once for all of them; a fault of one payment
 * is told of that one and stops no other.
 */
export async function draftOrders(container: MedusaContainer, payments: SourcedPayment[]): Promise<Drafted> {
  const drafted: Drafted = { drafts: [], reviews: [], failures: [] }
  if (payments.length === 0) {
    return drafted
  }
  const shop = await readShop(container, payments)
  const outlines = each(payments, drafted, (payment) => ({ payment, outline: outlineOf(payment, shop) }))
  const ofItems = outlines.filter(({ payment }) => payment.source.kind === "items")
  await addTaxLines(
    container,
    ofItems.map(({ outline }) => outline.order),
    shop.regions,
  )
  const query = container.resolve(ContainerRegistrationKeys.QUERY)
  const channels = unique(outlines.flatMap(({ outline }) => outline.order.sales_channel_id ?? []))
  const locations = await loadStockLocations(query, channels)
  drafted.drafts = each(outlines, drafted, ({ payment, outline }) =>
    complete(payment, outline, shop, locations),
  )
  return drafted
}

/** The results of those that succeed; the others are set aside with their reason. */
function each<T extends { id: string } | { payment: { id: string } }, R>(
  all: T[],
  { reviews, failures }: Drafted,
  make: (one: T) => R,
): R[] {
  return all.flatMap((one) => {
    try {
      return [make(one)]
    } catch (error) {
      const id = "payment" in one ? one.payment.id : one.id
      if (error instanceof NeedsReview) {
        reviews.push({ id, reason: error.message })
      } else {
        failures.push({ id, error: error as Error })
      }
      return []
    }
  })
}

function outlineOf(payment: SourcedPayment, shop: Shop): OrderOutline {
  const { source } = payment
  if (source.kind === "items" || source.kind === "checkout") {
    const order =
      source.kind === "items"
        ? orderFromItems({ ...payment, source }, shop)
        : orderFromCheckout({ ...payment, source }, shop)
    const nothing = { cart_id: null, payment_session_id: null, payment_collection_id: null }
    return { ...nothing, order, promotion_ids: [], promotion_usage: [] }
  }
  if (source.kind === "order") {
    throw new Error(`order ${source.order_id} exists: it is paid, not drafted`)
  }
  const cart = shop.carts.get(source.cart_id)
  if (!cart) {
    const why = shop.deletedCarts.has(source.cart_id) ? "was deleted in Medusa" : "does not exist"
    throw new NeedsReview(`cart ${source.cart_id} ${why}`)
  }
  const fromCart = orderFromCart(cart)
  return {
    ...fromCart,
    order: { ...fromCart.order, ...collected(fromCart.order, payment) },
    cart_id: cart.id,
    payment_session_id: source.payment_session_id ?? null,
    payment_collection_id: source.payment_collection_id ?? cart.payment_collection?.id ?? null,
  }
}

/** What a cart lacks, and Checkout collected: who the buyer is, and where the order goes. */
function collected(
  { email, shipping_address, billing_address }: OrderDraft["order"],
  { checkout }: SourcedPayment,
): Partial<OrderDraft["order"]> {
  if (!checkout) {
    return {}
  }
  const addresses = addressesOf(checkout)
  return {
    email: email ?? emailOf(checkout),
    shipping_address: shipping_address ?? addresses.shipping_address,
    billing_address: billing_address ?? addresses.billing_address,
  }
}

function complete(
  payment: SourcedPayment,
  outline: OrderOutline,
  { variants }: Shop,
  locations: Map<string, string[]>,
): OrderDraft {
  // Amounts come from Medusa as BigNumber objects, which no copy survives; as JSON they are numbers.
  const order: OrderDraft["order"] = JSON.parse(JSON.stringify(outline.order))
  const total = totalOf(order)
  checkAmount(payment, order, total)
  const places = locations.get(order.sales_channel_id ?? "")
  if (!places && payment.source.kind !== "cart") {
    throw new NeedsReview(`${channelOf(payment, order)} does not exist`)
  }
  const channel = { name: channelOf(payment, order), locationIds: places ?? [] }
  const demands = order.items.flatMap((line) => demandsOf(line, variants, channel))
  return { ...outline, order, payment, total, demands }
}

function channelOf({ source }: SourcedPayment, { sales_channel_id }: OrderDraft["order"]): string {
  const isDefault = "details" in source && !source.details.sales_channel_id
  const why = isDefault ? " (the store's default, for the payment names none)" : ""
  return `sales channel ${sales_channel_id}${why}`
}

/** The amount paid against the amount ordered, both in Stripe's minor units. */
function checkAmount(payment: PaidPayment, order: OrderDraft["order"], total: number): void {
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
