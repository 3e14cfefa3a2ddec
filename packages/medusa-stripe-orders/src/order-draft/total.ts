import type { BigNumberInput } from "@medusajs/framework/types"
import { BigNumber, decorateCartTotals } from "@medusajs/framework/utils"
import type { OrderData } from "./order-draft"

/** As the Order Module itself reckons it when it creates the order; a copy, since it writes into what it gets. */
export function totalOf(order: OrderData): number {
  const copy = structuredClone(order) as unknown as Parameters<typeof decorateCartTotals>[0]
  const { total } = decorateCartTotals(copy) as unknown as { total: BigNumberInput }
  return new BigNumber(total).numeric
}
