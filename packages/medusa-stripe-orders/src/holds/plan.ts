import type { MedusaContainer } from "@medusajs/framework/types"
import { ContainerRegistrationKeys } from "@medusajs/framework/utils"
import { type CartContents, type CartLine, readCartContents } from "../medusa/carts"
import { type Demand, NeedsReview, type OrderLine } from "../order-draft/order-draft"
import { demandsOf, loadStockLocations, loadVariants, type Variant } from "../order-draft/variants"
import type { Database } from "../payments/payments"
import type { HoldOptions, Refusal } from "./limits"
import { cartRefusal } from "./limits"
import type { HeldLine } from "./rows"

/** Who wants a cart to be held. */
export interface HoldRequest {
  cart_id: string
  ip_hash?: string | null
  /** Gives back what the cart has no more, and takes nothing. */
  onlyLess?: boolean
}

/** What is to be held for a cart, as it was read: whether it still is so, is seen again under the locks. */
export interface Plan extends HoldRequest {
  customer_id: string | null
  lines: CartLine[]
  demands: Demand[]
  /** of the cart and of what is held for it */
  itemIds: string[]
}

export type Planned = { plan: Plan } | { refusal: Refusal }

/** Plans for many carts, with one query each for carts, variants and locations. */
export async function planHolds(
  container: MedusaContainer,
  db: Database,
  requests: HoldRequest[],
  options: HoldOptions,
): Promise<Planned[]> {
  const query = container.resolve(ContainerRegistrationKeys.QUERY)
  const ids = requests.map(({ cart_id }) => cart_id)
  const carts = await readCartContents(db, ids)
  const held = await readHeld(db, ids)
  const all = [...carts.values()]
  const variantIds = all.flatMap(({ lines }) => lines.flatMap(({ variant_id }) => variant_id ?? []))
  const channels = all.flatMap(({ sales_channel_id }) => sales_channel_id ?? [])
  const [variants, locations] = await Promise.all([
    loadVariants(query, [...new Set(variantIds)]),
    loadStockLocations(query, [...new Set(channels)]),
  ])
  return requests.map((request) => {
    const cart = carts.get(request.cart_id)
    return cart
      ? planFor(request, cart, { variants, locations, held: held.get(cart.id) }, options)
      : { refusal: { status: 404, code: "no_cart", message: `There is no cart ${request.cart_id}` } }
  })
}

interface Known {
  variants: Map<string, Variant>
  locations: Map<string, string[]>
  held: Held | undefined
}

function planFor(request: HoldRequest, cart: CartContents, known: Known, options: HoldOptions): Planned {
  if (cart.is_completed) {
    return {
      refusal: { status: 409, code: "cart_completed", message: `Cart ${cart.id} is an order already` },
    }
  }
  try {
    const demands = demandsFor(request, cart, known)
    const refusal = request.onlyLess ? null : cartRefusal(demands, options)
    const items = demands.flatMap(({ parts }) => parts.map(({ inventory_item_id }) => inventory_item_id))
    const itemIds = [...new Set([...items, ...(known.held?.item_ids ?? [])])].sort()
    const { customer_id, lines } = cart
    return refusal ? { refusal } : { plan: { ...request, customer_id, lines, demands, itemIds } }
  } catch (error) {
    if (error instanceof NeedsReview) {
      return { refusal: { status: 400, code: "not_holdable", message: error.message } }
    }
    throw error
  }
}

/** What may be backordered needs no hold: it is sold in any case. */
function demandsFor(
  { onlyLess }: HoldRequest,
  cart: CartContents,
  { variants, locations, held }: Known,
): Demand[] {
  const channel = {
    name: `sales channel ${cart.sales_channel_id}`,
    locationIds: locations.get(cart.sales_channel_id ?? "") ?? [],
  }
  const heldOf = (id: string) => held?.lines.find(({ line_item_id }) => line_item_id === id)?.quantity ?? 0
  return cart.lines
    .map((line) => (onlyLess ? { ...line, quantity: Math.min(line.quantity, heldOf(line.id)) } : line))
    .filter(({ quantity }) => quantity > 0)
    .flatMap((line) => demandsOf(line as unknown as OrderLine, variants, channel))
    .filter(({ allow_backorder }) => !allow_backorder)
}

interface Held {
  lines: HeldLine[]
  item_ids: string[]
}

async function readHeld(db: Database, ids: string[]): Promise<Map<string, Held>> {
  const { rows } = await db.raw(
    `SELECT hold.id, hold.lines, ARRAY(
              SELECT DISTINCT item.inventory_item_id FROM reservation_item AS item
               WHERE item.id = ANY(hold.reservation_ids) AND item.deleted_at IS NULL) AS item_ids
       FROM stripe_hold AS hold WHERE hold.id = ANY(?)`,
    [ids],
  )
  return new Map(rows.map((row: Held & { id: string }) => [row.id, row]))
}
