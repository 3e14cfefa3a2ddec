/** How the reason of a payment begins whose order was not in stock. */
export const OUT_OF_STOCK = "out of stock: "

export function isSoldOut(reason: string | null): boolean {
  return reason?.startsWith(OUT_OF_STOCK) ?? false
}
