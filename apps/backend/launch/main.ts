import "./env.ts"
import { PostgresError } from "@holdfast/postgres-local"
import { Command } from "commander"
import { LaunchError } from "./errors.ts"
import { type Launched, launch } from "./launch.ts"
import { type Progress, progressOn, stoppable } from "./progress.ts"
import { report } from "./sale/report.ts"
import { readSettings, type Settings } from "./settings.ts"
import { Shutdown } from "./shutdown.ts"

interface Options {
  once?: boolean
  json?: boolean
  port?: string
}

const NO_SALE_ONCE =
  "--once ends after the sale, and with real Stripe keys there is no sale, since no test buyers can pay. " +
  "Unset STRIPE_API_KEY and STRIPE_WEBHOOK_SECRET to run it on local Stripe."

const program = new Command("npm start --")
  .description("Starts the shop and opens a sale: 60 buyers, 20 lanterns.")
  .option("--once", "end after the sale, with status 0 only if every rule held")
  .option("--json", "print the sale's figures as one line of JSON, and nothing else, on stdout")
  .option("--port <port>", "where the shop listens (default: PORT, or 9000)")
  .parse()

const options = program.opts<Options>()
const shutdown = new Shutdown()
const progress = stoppable(progressOn(options.json ? process.stderr : process.stdout), shutdown)
const status = await Promise.race([run(options), shutdown.requested])
if (status > 128) progress.line("\n  Closing the shop …")
await shutdown.close()
process.exit(status)

async function run({ once = false, json = false, port }: Options): Promise<number> {
  try {
    const settings = readSettings(port)
    if (once && settings.stripe) throw new LaunchError(NO_SALE_ONCE)
    printHeader(settings)
    const launched = await launch({ settings, withAdmin: !once, progress, shutdown })
    const { colors, line } = progress
    const seconds = (performance.now() / 1000).toFixed(1)
    line()
    line(`  Open at ${colors.cyan(launched.shop.url)} after ${seconds} s`)
    const held = await sell(launched, json)
    if (once) return held ? 0 : 1
    showAddresses(launched)
    return await untilStopped(launched)
  } catch (error) {
    if (shutdown.isRequested) return await shutdown.requested
    reportFailure(progress, error)
    return 1
  }
}

function printHeader({ stripe }: Settings) {
  const { colors, line } = progress
  line()
  line(
    `  ${colors.bold("Holdfast")}  ${colors.dim(`a Medusa shop on ${stripe ? "Stripe" : "local Stripe"}`)}`,
  )
  line()
}

async function sell({ stripe, ...launched }: Launched, json: boolean): Promise<boolean> {
  if (!stripe) return true
  const { colors, line } = progress
  line()
  line(`  ${colors.bold("The sale")}  ${colors.dim("60 buyers pay at once, and there are 20 lanterns")}`)
  line()
  // The sale reads the plugin's table of states, which a fresh clone has only after the launch has built it.
  const { runSale } = await import("./sale/sale.ts")
  const findings = await runSale({ ...launched, stripe }, progress)
  report(findings, progress)
  if (json) process.stdout.write(`${JSON.stringify(findings.figures)}\n`)
  return findings.rules.every(({ held }) => held)
}

function showAddresses({ shop, admin, stripe }: Launched) {
  const { colors, line } = progress
  const row = (label: string, value: string, note = "") =>
    line(`  ${label.padEnd(11)} ${colors.cyan(value)} ${colors.dim(note)}`)
  line()
  row("Store API", `${shop.url}/store`)
  row("Admin", `${shop.url}/app`)
  row("  e-mail", admin.email)
  row("  password", admin.password)
  row(
    "Webhooks",
    `${shop.url}/hooks/stripe`,
    stripe ? "" : "register the public form of this address at Stripe",
  )
  if (stripe) row("Stripe", stripe.url, "local Stripe: no money moves")
  else line(`\n  No sale is opened with real Stripe keys.`)
  line(`\n  ${colors.dim("Ctrl-C stops everything.")}`)
}

async function untilStopped({ shop }: Launched): Promise<number> {
  return await Promise.race([
    shutdown.requested,
    shop.exited.then(() => {
      throw new LaunchError("The shop stopped unexpectedly. Its log is apps/backend/.data/shop.log.")
    }),
  ])
}

function reportFailure({ colors, line }: Progress, error: unknown) {
  const expected = error instanceof LaunchError || error instanceof PostgresError
  line()
  line(`  ${colors.red("✗")} ${expected ? error.message : (error as Error).stack}`)
}
