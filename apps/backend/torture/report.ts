import { mkdir, writeFile } from "node:fs/promises"
import { cpus, totalmem } from "node:os"
import { join } from "node:path"
import { type Finding, RULES, type Rule } from "./audit/rules.ts"
import type { Report } from "./torture.ts"

export interface Result {
  date: string
  command: string
  seed: number
  /** What was asked for; a run that ends early by its `minutes` makes fewer payments. */
  asked: { payments: number; kills: number; minutes: number; shops: number }
  machine: string
  node: string
  reports: Report[]
}

export const machine = () =>
  `${cpus().length} × ${cpus()[0]?.model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GiB`

/** Writes `FOLDER/DATE-shop.json` and `.md`. Returns the path of the latter. */
export async function keep(result: Result, folder: string): Promise<string> {
  await mkdir(folder, { recursive: true })
  const path = join(folder, `${result.date}-shop-${result.seed}`)
  await writeFile(`${path}.json`, `${JSON.stringify(result, null, 2)}\n`)
  await writeFile(`${path}.md`, markdown(result))
  return `${path}.md`
}

function markdown(result: Result): string {
  const { date, command, machine, node, reports } = result
  const { payments, kills, minutes, shops } = result.asked
  const head = [
    `- ${date}, \`${command}\`, seed ${result.seed}`,
    `- asked for: ${payments} payments, ${kills} kills, ${shops} shops; no further purchase began after ${minutes} minutes`,
    `- ${machine}, Node ${node}`,
  ]
  const columns = reports.map(({ server }) => server)
  const rows = (lines: [string, ...(string | number)[]][]) =>
    [["", ...columns], ["---", ...columns.map(() => "---:")], ...lines]
      .map((cells) => `| ${cells.join(" | ")} |`)
      .join("\n")
  return [
    "# The shop under fire",
    head.join("\n"),
    rows(figuresOf(reports)),
    "## Violations",
    rows(violationsOf(reports)),
    ...reports.flatMap(detailsOf),
    "## Findings",
    "What people have to know of, though no rule is broken: reviews and disputes with a true reason.",
    rows(findingsOf(reports)),
    "",
  ].join("\n\n")
}

/** The figures, as a line for each with a cell for each report. */
export function figuresOf(reports: Report[]): [string, ...(string | number)[]][] {
  const line = (name: string, of: (report: Report) => string | number): [string, ...(string | number)[]] => [
    name,
    ...reports.map(of),
  ]
  return [
    line("payments", ({ figures }) => figures.payments),
    line("webhook deliveries", ({ figures }) => figures.deliveries),
    line("orders", ({ figures }) => figures.orders),
    line("payments by state", ({ figures }) => list(figures.states)),
    line("shops killed, paused", ({ figures: { troubles } }) => `${troubles.kill}, ${troubles.pause}`),
    line(
      "restarts of Postgres, Redis",
      ({ figures: { troubles } }) => `${troubles.postgres}, ${troubles.redis}`,
    ),
    line(
      "times of Stripe's failures, limits",
      ({ figures: { troubles } }) => `${troubles.stripe}, ${troubles.limits}`,
    ),
    line(
      "calls to Stripe (failed, limited)",
      ({ figures: { calls } }) => `${calls.all} (${calls.failed}, ${calls.limited})`,
    ),
    line("Medusa's own flows", ({ figures }) => list(figures.office)),
    line("order.placed twice", ({ figures }) => figures.announcedTwice),
    line("processes that ended by themselves", ({ figures }) => figures.crashes),
    line("checkouts refused", ({ figures }) => figures.checkoutsRefused),
    line(
      "seconds of buying, until quiet",
      ({ figures: { seconds } }) => `${seconds.buying.toFixed(0)}, ${seconds.quiet.toFixed(0)}`,
    ),
  ]
}

export function violationsOf(reports: Report[]): [string, ...number[]][] {
  return (Object.keys(RULES) as Rule[]).map((rule) => [
    RULES[rule],
    ...reports.map(({ audit }) => audit.violations.filter((violation) => violation.rule === rule).length),
  ])
}

function detailsOf({ server, audit }: Report): string[] {
  if (audit.violations.length === 0) return []
  const lines = audit.violations.map(({ rule, id, what }) => `- ${rule}: ${id} ${what}`)
  return [`### ${server}`, lines.join("\n")]
}

function findingsOf(reports: Report[]): [string, ...number[]][] {
  const shapes = new Map<string, number[]>()
  reports.forEach(({ audit }, index) => {
    for (const finding of audit.findings) {
      const shape = shapeOf(finding)
      const counts = shapes.get(shape) ?? reports.map(() => 0)
      counts[index] = (counts[index] ?? 0) + 1
      shapes.set(shape, counts)
    }
  })
  return [...shapes].map(([shape, counts]) => [shape, ...counts])
}

/** The same sentence about other payments is the same finding. */
function shapeOf({ kind, what }: Finding): string {
  const shape = what.replace(/\b(order|cart|pi|du|dp|re|pay)_\w+/g, "…").replace(/\d+(\.\d+)? [A-Z]{3}/g, "…")
  return `${kind}: ${shape}`
}

function list(counts: Record<string, number>): string {
  return Object.entries(counts)
    .filter(([, count]) => count > 0)
    .map(([name, count]) => `${count} ${name.replace(/([A-Z])/g, " $1").toLowerCase()}`)
    .join(", ")
}
