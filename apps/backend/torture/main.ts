import { randomInt } from "node:crypto"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import Table from "cli-table3"
import { Command, InvalidArgumentError, Option } from "commander"
import { buildPackages } from "../launch/build.ts"
import { endProcesses } from "../launch/processes.ts"
import { progressOn } from "../launch/progress.ts"
import type { Result } from "./report.ts"
import type { Progress, Report, Store } from "./torture.ts"

const RESULTS = fileURLToPath(new URL("results", import.meta.url))

interface Options {
  seed: number
  payments: number
  kills: number
  minutes: number
  shops: number
  store: Store | "both"
  hooks?: boolean
  out: string
}

const options = new Command("npm run torture -- shop")
  .description(
    "Lets several processes of a shop take payments of all kinds while they are killed and paused, Postgres and Redis " +
      "restart and Stripe fails; then audits the database and Stripe against each other.",
  )
  .option("--seed <n>", "decides every choice (default: any)", whole, randomInt(1_000_000))
  .option("--payments <n>", "how many, in all", whole, 10_000)
  .option("--kills <n>", "how many shops are killed, in all; other troubles come in proportion", whole, 50)
  .option("--minutes <n>", "minutes after which no further purchase begins", positive, 240)
  .option("--shops <n>", "processes that are disturbed", whole, 3)
  .addOption(
    new Option("--store <store>", "where the shop's locks are; in redis with event bus and workflow engine")
      .choices(["both", "postgres", "redis"])
      .default("both"),
  )
  .option("--hooks", "the store has hooks of Medusa's cart completion, which then makes the carts' orders")
  .option("--out <folder>", "where the result is kept", RESULTS)
  .parse()
  .opts<Options>()

function whole(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 0) throw new InvalidArgumentError("It must be a whole number.")
  return value
}

function positive(text: string): number {
  const value = Number(text)
  if (!(value > 0)) throw new InvalidArgumentError("It must be more than 0.")
  return value
}

for (const signal of ["SIGINT", "SIGTERM"] as const)
  process.once(signal, () => void endProcesses().finally(() => process.exit(1)))

const progress = progressOn(process.stdout)
process.exit((await main()) ? 0 : 1)

async function main(): Promise<boolean> {
  await progress.step("Build", () => buildPackages())
  // These read the plugin's table of states, which a fresh clone has only after the build.
  const { keep, machine, figuresOf, violationsOf } = await import("./report.ts")
  const stores: Store[] = options.store === "both" ? ["postgres", "redis"] : [options.store]
  progress.line(`  seed ${options.seed}, Node ${process.version}`)
  const folder = await mkdtemp(join(tmpdir(), `holdfast-torture-shop-${options.seed}-`))
  const reports: Report[] = []
  for (const store of stores) reports.push(await run(store, stores.length, join(folder, store)))
  const { seed, payments, kills, minutes, shops } = options
  const result: Result = {
    date: new Date().toISOString().slice(0, 10),
    command: ["npm run torture -- shop", ...process.argv.slice(2)].join(" "),
    seed,
    asked: { payments, kills, minutes, shops },
    machine: machine(),
    node: process.version,
    reports,
  }
  const table = new Table({
    head: ["", ...reports.map(({ server }) => server)],
    style: { head: [], border: [] },
    wordWrap: true,
    colWidths: [36, ...reports.map(() => 42)],
  })
  table.push(...figuresOf(reports))
  progress.line(table.toString())
  const { green, red } = progress.colors
  for (const [rule, ...counts] of violationsOf(reports)) {
    const held = counts.every((count) => count === 0)
    progress.line(`  ${held ? green("✓") : red("✗")} ${rule}: ${counts.join(", ")} violations`)
  }
  const violations = reports.flatMap(({ audit }) => audit.violations)
  for (const { rule, id, what } of violations) progress.line(`VIOLATED: ${rule}: ${id} ${what}`)
  progress.line(await keep(result, options.out))
  if (violations.length === 0) await rm(folder, { recursive: true, force: true })
  else progress.line(`The shops' logs are in ${folder}`)
  return violations.length === 0
}

async function run(store: Store, parts: number, folder: string): Promise<Report> {
  const { torture } = await import("./torture.ts")
  const { seed, payments, kills, minutes, shops, hooks } = options
  const part = {
    payments: Math.ceil(payments / parts),
    kills: Math.ceil(kills / parts),
    minutes: minutes / parts,
  }
  return await progress.step(`Locks in ${store}`, async (tell) => {
    let next = 0
    const onProgress = (now: Progress) => {
      tell(sentence(now, part.payments))
      // A log gets a line every 10 s; the step itself shows nothing there before its end.
      if (process.stdout.isTTY || performance.now() < next) return
      next = performance.now() + 10_000
      progress.line(`    ${sentence(now, part.payments)}`)
    }
    return await torture({ store, seed, shops, hooks, folder, ...part, onProgress })
  })
}

function sentence({ phase, begun, states, troubles }: Progress, payments: number): string {
  const done = Object.entries(states).map(([state, count]) => `${count} ${state}`)
  const wrong = Object.entries(troubles).map(([kind, count]) => `${count} ${kind}`)
  return `${phase}: ${begun} of ${payments}; ${done.join(", ")}; ${wrong.join(", ")}`
}
