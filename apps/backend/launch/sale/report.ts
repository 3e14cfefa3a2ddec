import Table from "cli-table3"
import type { Colors, Progress } from "../progress.ts"
import type { Findings, Rule } from "./audit.ts"

/** Prints the table and a line for each rule. */
export function report({ figures, rules, reasons }: Findings, { colors, line, width }: Progress): void {
  const broken = rules.filter(({ held }) => !held)
  line()
  for (const row of table(figures, colors).split("\n")) line(`  ${row}`)
  line()
  for (const rule of rules) line(`  ${ruleLine(rule, colors, width - 2)}`)
  for (const reason of reasons.slice(0, 5)) line(`      ${colors.dim(`needs review: ${reason}`)}`)
  line()
  line(
    broken.length === 0
      ? `  ${colors.bold(colors.green("Every rule held."))}`
      : `  ${colors.bold(colors.red(`${broken.length} of ${rules.length} rules were broken.`))}`,
  )
}

function table(figures: Findings["figures"], colors: Colors): string {
  const { payments, deliveries, orders, unitsSold, oversold, duplicateOrders } = figures
  const bad = (count: number) => (count === 0 ? colors.green("0") : colors.red(String(count)))
  const rows: [string, string | number][][] = [
    [
      ["payments", payments],
      ["lanterns before", figures.stockBefore],
    ],
    [
      ["webhook deliveries", deliveries],
      ["lanterns sold", unitsSold],
    ],
    [
      ["orders", orders],
      ["lanterns after", figures.stockAfter],
    ],
    [
      ["payments refunded", figures.refunded],
      ["oversold", bad(oversold)],
    ],
    [
      ["payments canceled", figures.canceled],
      ["duplicate orders", bad(duplicateOrders)],
    ],
    [
      ["seconds", figures.seconds.toFixed(1)],
      ["lost payments", bad(figures.lostPayments)],
    ],
  ]
  const grid = new Table({
    chars: { mid: "", "left-mid": "", "mid-mid": "", "right-mid": "" },
    style: { head: [], border: colors.isColorSupported ? ["gray"] : [] },
    colAligns: ["left", "right", "left", "right"],
    colWidths: [27, 9, 20, 9],
  })
  grid.push(...rows.map((row) => row.flat()))
  return grid.toString()
}

function ruleLine({ says, held, found }: Rule, colors: Colors, width: number): string {
  const mark = held ? colors.green("✓") : colors.red("✗")
  const gap = Math.max(2, Math.min(46, width - found.length - 2) - says.length)
  return `${mark} ${held ? says : colors.red(says)}${" ".repeat(gap)}${colors.dim(found)}`
}
