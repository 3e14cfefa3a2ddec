import { isAtRest, type PaymentState } from "@holdfast/medusa-stripe-orders/payments/states"

/** Nothing is due about the payment now: the plugin does nothing more by itself, but wait for the shop's capture. */
export const isSettled = (status: string): boolean => isAtRest(status) || is("awaiting_capture", status)

/** The money went back to the buyer, or was never taken. */
export const isReturned = (status: string): boolean => is("refunded", status) || is("canceled", status)

export const needsReview = (status: string): boolean => is("review", status)

const is = (state: PaymentState, status: string): boolean => status === state
