import type { CreateOrderDTO, CreateOrderLineItemDTO, RemoteQueryFunction } from "@medusajs/framework/types"
import type Stripe from "stripe"
import type { Demand } from "../settlement/stock"

/** Medusa's query across modules. */
export type Query = Pick<RemoteQueryFunction, "graph">

/** Where a payment's order comes from. The first that fits is taken, in this order. */
export type ContentSource =
  | { kind: "cart"; cart_id: string; payment_session_id?: string; payment_collection_id?: string }
  | { kind: "items"; items: ItemRequest[]; details: OrderDetails }

/** A line as a checkout outside Medusa names it. */
export interface ItemRequest {
  variant_id: string
  quantity: number
}

/** What may be said beside the items; what is left out is taken from the payment or the store's defaults. */
export interface OrderDetails {
  email?: string
  customer_id?: string
  region_id?: string
  sales_channel_id?: string
  shipping_option_id?: string
}

/** The part of a payment intent that settlement needs, as a workflow step can hand it on. */
export interface Payment {
  id: string
  /** requires_capture: authorised only; succeeded: captured */
  status: "requires_capture" | "succeeded"
  /** minor units: what was captured, or can be */
  amount: number
  /** lower case, as in Medusa */
  currency: string
  intent: Stripe.PaymentIntent
  source: ContentSource
}

/** Ids are given by us: the stock and the payment refer to them before the order is written. */
export type OrderLine = CreateOrderLineItemDTO & { id: string }
export type OrderData = Omit<CreateOrderDTO, "items"> & { id: string; items: OrderLine[] }

/** An order ready to be made: it only lacks stock. */
export interface OrderContent {
  payment: Payment
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

/** Payments that leave their batch on the way, by payment intent id. */
export interface SetAside {
  /** what a person has to look at */
  reviews: { id: string; reason: string }[]
  /** what may work the next time */
  failures: { id: string; error: string }[]
}

/**
 * The payment can't become an order as it stands; a person has to look at it. Trying again would change
 * nothing, so this is an outcome and no failure.
 */
export class NeedsReview extends Error {
  override readonly name = "NeedsReview"
}
