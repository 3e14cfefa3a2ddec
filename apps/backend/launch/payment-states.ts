/** The states of a payment's row that end it: the plugin does nothing more about the payment by itself. */
const SETTLED = ["completed", "refunded", "cancelled", "void", "review"]

/** The money went back to the buyer, or was never taken. */
const RETURNED = ["refunded", "cancelled"]

export const isSettled = (status: string): boolean => SETTLED.includes(status)

export const isReturned = (status: string): boolean => RETURNED.includes(status)

export const needsReview = (status: string): boolean => status === "review"
