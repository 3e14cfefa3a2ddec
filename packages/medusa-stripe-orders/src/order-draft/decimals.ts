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

/** How many decimal places a currency's minor unit is: 2 for usd (cents), 0 for jpy. */
export function decimalsOf(currency: string): number {
  return DECIMALS.get(currency.toLowerCase()) ?? 2
}
