import { randomInt } from "node:crypto"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import type { Figures } from "./summary.ts"
import { type Report, torture } from "./torture.ts"

const HELP = `npm run torture -- [--store redis|postgres] [--grants N] [--seed N]

Lets processes fight for a few locks on real servers while they are killed, paused and cut off and the servers
restarted and wiped, and checks what they recorded against what the lock promises. Both stores and 100,000
grants in all by default.`

const STORES = ["redis", "postgres"] as const

const { values } = parseArgs({
  options: {
    store: { type: "string" },
    grants: { type: "string", default: "100000" },
    seed: { type: "string", default: String(randomInt(1_000_000)) },
    help: { type: "boolean", default: false },
  },
})

if (values.help) console.log(HELP)
else process.exitCode = (await main()) ? 0 : 1

async function main(): Promise<boolean> {
  const stores = STORES.filter((store) => (values.store ?? store) === store)
  const seed = Number(values.seed)
  const grants = Number(values.grants) / stores.length
  if (stores.length === 0 || !Number.isInteger(seed) || !(grants > 0)) throw new Error(HELP)
  console.log(`seed ${seed}, Node ${process.version}`)
  const rows: Record<string, object> = {}
  let held = true
  for (const store of stores) {
    const folder = join(tmpdir(), `holdfast-torture-${store}-${seed}-${process.pid}`)
    const report = await torture({ store, grants, seed, folder, onProgress: progress(store) })
    rows[report.server] = row(report.figures, report.violations.length)
    if (report.violations.length > 0) {
      held = false
      tell(report, folder)
    }
  }
  console.table(rows)
  return held
}

/** A line every 10 s. */
function progress(store: string) {
  let next = performance.now()
  return (grants: number, counts: object) => {
    if (performance.now() < next) return
    next = performance.now() + 10_000
    console.log(`${store}: ${grants} grants, ${JSON.stringify(counts)}`)
  }
}

function row(figures: Figures, violations: number): object {
  const { kills, killsHolding, killsWaiting, ...rest } = figures
  return { ...rest, "kills (holding, waiting)": `${kills} (${killsHolding}, ${killsWaiting})`, violations }
}

function tell({ violations }: Report, folder: string): void {
  for (const { promise, what } of violations) console.log(`VIOLATED: ${promise}: ${what}`)
  console.log(`The records are in ${folder}`)
}
