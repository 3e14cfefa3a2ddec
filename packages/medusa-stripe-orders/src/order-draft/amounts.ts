import type { BigNumberInput } from "@medusajs/framework/types"
import { BigNumber, MathBN } from "@medusajs/framework/utils"
import { decimalsOf } from "./decimals"

/**
 * An amount in Stripe's minor units (cents for usd, yen for jpy), an integer.
 *
 * Medusa does not round totals (3 × 8.925 is 26.775), Stripe only knows integers: the same rounding as in
 * Medusa's Stripe provider, half up, so that what was charged and what is expected meet. Stripe wants the last
 * digit of a three-decimal amount to be zero; it is rounded up to that.
 */
export function toMinorUnits(amount: BigNumberInput, currency: string): number {
  const decimals = decimalsOf(currency)
  const minor = Math.round(new BigNumber(MathBN.mult(amount, 10 ** decimals)).numeric)
  return decimals === 3 ? Math.ceil(minor / 10) * 10 : minor
}

/** The amount in major units (26.78 for 2678 usd cents), as Medusa stores it. */
export function fromMinorUnits(minor: number, currency: string): number {
  return minor / 10 ** decimalsOf(currency)
}

/** "26.78 USD": for a person, in reasons and logs. */
export function formatMinorUnits(minor: number, currency: string): string {
  const decimals = decimalsOf(currency)
  return `${fromMinorUnits(minor, currency).toFixed(decimals)} ${currency.toUpperCase()}`
}
