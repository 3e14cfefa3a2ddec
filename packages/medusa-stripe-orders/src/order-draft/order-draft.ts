import type { CreateOrderDTO, CreateOrderLineItemDTO, RemoteQueryFunction } from "@medusajs/framework/types"
import type Stripe from "stripe"
import type { Item } from "../items-metadata"
import type { CheckoutSession } from "./checkout-session"

/** Medusa's query across modules. */
export type Query = Pick<RemoteQueryFunction, "graph">

/** Where a payment's order comes from. The first that fits is taken, in this order. */
export type OrderSource =
  | { kind: "cart"; cart_id: string; payment_session_id?: string; payment_collection_id?: string }
  | { kind: "items"; items: Item[]; details: OrderDetails }
  /** The lines of Stripe's Checkout themselves. */
  | { kind: "checkout"; session: CheckoutSession; details: OrderDetails }
  /** It exists: Medusa made it while the payment was on its way, or it was edited and something is due. */
  | { kind: "order"; order_id: string; cart_id: string | null; payment_session_id: string }

/** What may be said beside the items; the rest is taken from the payment or the store's defaults. */
export interface OrderDetails {
  email?: string
  customer_id?: string
  region_id?: string
  sales_channel_id?: string
  shipping_option_id?: string
}

/** A payment whose money is there: authorized or captured. */
export interface PaidPayment {
  id: string
  /** requires_capture: authorized only; succeeded: captured */
  status: "requires_capture" | "succeeded"
  /** minor units: what was captured, or can be */
  amount: number
  /** lower case, as in Medusa */
  currency: string
  intent: Stripe.PaymentIntent
  /** the Checkout Session that the payment was made in, where the payment itself doesn't say what was bought */
  checkout: CheckoutSession | null
}

/** Ids are given by us: the stock and the payment refer to them before the order is written. */
export type OrderLine = CreateOrderLineItemDTO & { id: string }
export type OrderData = Omit<CreateOrderDTO, "items"> & { id: string; items: OrderLine[] }

/** What one order line needs of the stock. */
export interface Demand {
  line_item_id: string
  /** units of the line */
  quantity: number
  /** what each unit takes: an inventory item or, of a kit, several; all parts of one unit from one location */
  parts: { inventory_item_id: string; required_quantity: number }[]
  allow_backorder: boolean
  /** where it may be taken from */
  location_ids: string[]
}

/** An order ready to be made: it only lacks stock. */
export interface OrderDraft {
  payment: PaidPayment
  order: OrderData
  /** the order's total in major units, unrounded, as Medusa reckons it */
  total: number
  cart_id: string | null
  payment_session_id: string | null
  payment_collection_id: string | null
  demands: Demand[]
  promotion_ids: string[]
  promotion_usage: { code: string; amount: number }[]
}

/** What the source alone tells of an order. */
export type OrderOutline = Omit<OrderDraft, "payment" | "demands" | "total">

/**
 * The payment can't become an order as it stands, and needs review. Trying again would change nothing, so this is an
 * outcome and no failure.
 */
export class NeedsReview extends Error {
  override readonly name = "NeedsReview"
}
