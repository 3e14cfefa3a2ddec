export interface Rate {
  percentage: number
  inclusive: boolean
}

export interface Tax<R extends Rate> {
  rate: R
  amount: number
  taxable_amount: number
}

export interface Totals<R extends Rate> {
  discount: number
  /** Of all rates, also of those that the price has in it. */
  tax: number
  total: number
  taxes: Tax<R>[]
}

/** What is taken off a subtotal: a part of it, or an amount that is at most all of it. */
export function discountOn(
  subtotal: number,
  { amount_off, percent_off }: { amount_off: number | null; percent_off: number | null },
): number {
  if (percent_off !== null) return Math.round((subtotal * percent_off) / 100)
  return Math.min(amount_off ?? 0, subtotal)
}

/** Divides an amount in proportion to the weights; the cents left over by rounding go to the greatest remainders. */
export function spread(amount: number, weights: number[]): number[] {
  const sum = weights.reduce((total, weight) => total + weight, 0)
  if (sum === 0) return weights.map(() => 0)
  const exact = weights.map((weight) => (amount * weight) / sum)
  const parts = exact.map(Math.floor)
  const byRemainder = exact.map((value, at) => ({ at, rest: value % 1 })).sort((a, b) => b.rest - a.rest)
  const left = amount - parts.reduce((total, part) => total + part, 0)
  for (const { at } of byRemainder.slice(0, left)) parts[at] = (parts[at] ?? 0) + 1
  return parts
}

/** Taxes what a discount leaves. The rates that the price has in it come out of it first; the others are added. */
export function totals<R extends Rate>(subtotal: number, discount: number, rates: R[]): Totals<R> {
  const gross = subtotal - discount
  const included = rates.filter(({ inclusive }) => inclusive).reduce((sum, rate) => sum + rate.percentage, 0)
  const net = gross / (1 + included / 100)
  const taxOf = ({ percentage }: Rate) => Math.round((net * percentage) / 100)
  const sumOf = (inclusive: boolean) =>
    rates.filter((rate) => rate.inclusive === inclusive).reduce((sum, rate) => sum + taxOf(rate), 0)
  const taxable_amount = gross - sumOf(true)
  return {
    discount,
    tax: sumOf(true) + sumOf(false),
    total: gross + sumOf(false),
    taxes: rates.map((rate) => ({ rate, amount: taxOf(rate), taxable_amount })),
  }
}
