/**
 * What the auditor judges: everything that a shop and Stripe say about payments, orders and stock at one moment. Amounts
 * are minor units of the payment's currency.
 */
export interface Snapshot {
  payments: StripePayment[]
  rows: PaymentRow[]
  orders: Order[]
  levels: Level[]
  /** How often the shop's subscriber was told that an order was placed, by order. */
  announcements: Record<string, number>
}

/** A payment intent, as Stripe has it. */
export interface StripePayment {
  id: string
  status: string
  amount: number
  /** Captured at any time, refunded or not. */
  captured: number
  /** By refunds that succeeded. */
  refunded: number
  /** Authorized, and neither captured nor released. */
  held: number
  /** The states of its disputes. */
  disputes: string[]
  /** What the store's own hook says of it where it is not in stock. */
  outOfStock: string | null
}

/** A payment, as the plugin remembers it. */
export interface PaymentRow {
  id: string
  status: string
  reason: string | null
  orderId: string | null
  /** Nothing is due about it. */
  atRest: boolean
}

/** An order, as Medusa has it. */
export interface Order {
  id: string
  canceled: boolean
  cartIds: string[]
  /** The sum of its transactions: what the order shows as paid and not refunded. */
  paid: number
  payments: { id: string; intent: string | null; captured: number; refunded: number }[]
  /** How many units of each inventory item its lines take. */
  units: Record<string, number>
  /** How many units of each inventory item are reserved for its lines. */
  reserved: Record<string, number>
}

export interface Level {
  item: string
  sku: string
  stocked: number
  reserved: number
  /** The sum of the reservation items. */
  reservations: number
  /** Of these, what carts hold whose buyers have not paid (yet). */
  held: number
  /** Whether the two columns of each quantity agree. */
  agree: boolean
  /** What `stocked` may be by all that was done to it. */
  explained: number[]
}
