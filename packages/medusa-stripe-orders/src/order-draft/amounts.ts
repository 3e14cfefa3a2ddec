import type { BigNumberInput } from "@medusajs/framework/types"
import { BigNumber, MathBN } from "@medusajs/framework/utils"

/**
 * How many decimal places Stripe gives a currency, where it is not two.
 * Source: https://docs.stripe.com/currencies (zero-decimal, three-decimal and special cases). ISK and UGX have
 * no minor unit but are written with two decimals there, so they are absent here.
 */
const DECIMALS: ReadonlyMap<string, number> = new Map([
  ...[
    "bif",
    "clp",
    "djf",
    "gnf",
    "jpy",
    "kmf",
    "krw",
    "mga",
    "pyg",
    "rwf",
    "vnd",
    "vuv",
    "xaf",
    "xof",
    "xpf",
  ].map((currency) => [currency, 0] as const),
  ...["bhd", "iqd", "jod", "kwd", "omr", "tnd"].map((currency) => [currency, 3] as const),
])

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

function decimalsOf(currency: string): number {
  return DECIMALS.get(currency.toLowerCase()) ?? 2
}
