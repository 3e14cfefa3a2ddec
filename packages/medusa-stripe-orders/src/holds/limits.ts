import type { ResolvedOptions } from "../options"
import type { Demand } from "../order-draft/order-draft"

export type HoldOptions = Exclude<ResolvedOptions["hold"], false>

/** Why a cart is not held; its buyer can pay all the same. */
export interface Refusal {
  status: 400 | 404 | 409 | 429 | 503
  code: string
  message: string
}

const STILL = "It can be bought without a hold, as long as it is in stock."

/** What one cart may hold. 0 is without limit. */
export function cartRefusal(demands: Demand[], { unitsPerCart, linesPerCart }: HoldOptions): Refusal | null {
  const units = demands.reduce((sum, { quantity }) => sum + quantity, 0)
  if (unitsPerCart > 0 && units > unitsPerCart) {
    return tooMuch(`A cart can hold ${unitsPerCart} units at most, and this one has ${units}. ${STILL}`)
  }
  if (linesPerCart > 0 && demands.length > linesPerCart) {
    return tooMuch(
      `A cart can hold ${linesPerCart} lines at most, and this one has ${demands.length}. ${STILL}`,
    )
  }
  return null
}

function tooMuch(message: string): Refusal {
  return { status: 400, code: "hold_limit", message }
}

/** The carts of one buyer that hold something, this one left out. */
export interface OtherHolds {
  ofCustomer: number
  ofAddress: number
}

export function buyerRefusal(others: OtherHolds, { perCustomer, perIp }: HoldOptions): Refusal | null {
  if (perCustomer > 0 && others.ofCustomer >= perCustomer) {
    return tooMany(
      `This customer holds ${carts(others.ofCustomer)} already, which is the most that is allowed`,
    )
  }
  if (perIp > 0 && others.ofAddress >= perIp) {
    return tooMany(
      `From this network ${carts(others.ofAddress)} are held already, which is the most that is allowed`,
    )
  }
  return null
}

function tooMany(why: string): Refusal {
  const message = `${why}. Pay for one of them, give it back (DELETE /store/carts/:id/hold), or wait until it expires. ${STILL}`
  return { status: 429, code: "too_many_holds", message }
}

function carts(count: number): string {
  return count === 1 ? "1 cart" : `${count} carts`
}
