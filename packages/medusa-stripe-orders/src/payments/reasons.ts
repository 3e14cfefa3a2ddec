/** How the reason of a payment begins whose order was not in stock. */
export const OUT_OF_STOCK = "out of stock: "

export function isSoldOut(reason: string | null): boolean {
  return reason?.startsWith(OUT_OF_STOCK) ?? false
}

/** How a reason begins that is over when the payment goes on: a dispute, and the warning that an authorization ends. */
export const DISPUTED = "the buyer disputes "
export const CAPTURE_SOON = "capture order "

/** What a payment's reason still says when its order is paid; null where it is over. */
export function lasting(reason: string | null): string | null {
  const isOver = reason?.startsWith(DISPUTED) || reason?.startsWith(CAPTURE_SOON)
  return isOver ? null : reason
}
