export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2
}

/** The median, with the minimum and the maximum where they differ: `12,300 (11,900–12,500)`. */
export function spread(values: readonly number[], digits = 0): string {
  const middle = format(median(values), digits)
  const [least, most] = [format(Math.min(...values), digits), format(Math.max(...values), digits)]
  return least === most ? middle : `${middle} (${least}–${most})`
}

export function format(value: number, digits = 0): string {
  const options = { minimumFractionDigits: digits, maximumFractionDigits: digits }
  return Number.isFinite(value) ? value.toLocaleString("en-US", options) : "–"
}

/** The median of each round's ratio to the baseline: noise that lasts a round cancels out. */
export function ratio(values: readonly number[], baseline: readonly number[]): number {
  return median(values.map((value, round) => value / (baseline[round] ?? Number.NaN)))
}
