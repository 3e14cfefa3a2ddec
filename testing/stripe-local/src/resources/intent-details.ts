import type Stripe from "stripe"
import { metadata, nested, oneOf, type Params, type Reader, shipping, text } from "../params.js"

type Name = keyof Stripe.PaymentIntentCreateParams & keyof Stripe.PaymentIntentUpdateParams

/** A payment intent's details; checkout sessions take them too, as `payment_intent_data`. */
export const intentDetails = {
  capture_method: oneOf("automatic", "automatic_async", "manual"),
  customer: text,
  description: text,
  metadata,
  receipt_email: text,
  setup_future_usage: oneOf("on_session", "off_session"),
  shipping,
  statement_descriptor: text,
  statement_descriptor_suffix: text,
  transfer_group: text,
} satisfies Partial<Record<Name, Reader<unknown>>>

const { customer: _, ...sessionDetails } = intentDetails

export const paymentIntentData = nested(sessionDetails)

/** The details of a checkout session's payment intent. */
export interface SessionPayment extends Params<typeof sessionDetails> {
  allowed_payment_method_types: string[] | undefined
  payment_method_types: string[] | undefined
}
