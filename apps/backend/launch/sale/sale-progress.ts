import type { Progress } from "../progress.ts"
import { BUYERS } from "./buyers.ts"

/** The counts of a running sale that are shown. */
export interface SaleProgress {
  buyers: number
  paid: number
  deliveries: number
  orders: number
  returned: number
  left: number
  stockBefore: number
}

const LABEL = 16

export function frame(saleProgress: SaleProgress, { colors, width }: Progress): string[] {
  const { green, cyan, yellow, magenta } = colors
  const room = Math.max(10, Math.min(40, width - LABEL - 24))
  const row = (label: string, part: number, whole: number, paint: (text: string) => string, text: string) => {
    const full = Math.round((Math.max(0, Math.min(part, whole)) / whole) * room)
    return `    ${label.padEnd(LABEL)}${paint("█".repeat(full))}${colors.dim("░".repeat(room - full))}  ${text}`
  }
  const { buyers, paid, orders, returned, left, stockBefore } = saleProgress
  return [
    row("paid", paid, buyers, cyan, `${paid} of ${buyers}`),
    row("orders", orders, buyers, green, `${orders}`),
    row("money back", returned, buyers, yellow, `${returned}`),
    row("lanterns left", left, stockBefore, magenta, `${left} of ${stockBefore}`),
    `    ${"webhooks sent".padEnd(LABEL)}${saleProgress.deliveries}`,
  ]
}

export function summary({ paid, deliveries, orders, returned, left, stockBefore }: SaleProgress): string {
  const counts = `${paid} of ${BUYERS} paid, ${deliveries} webhooks, orders: ${orders}, money back: ${returned}`
  return `${counts}, ${left} of ${stockBefore} lanterns left`
}
