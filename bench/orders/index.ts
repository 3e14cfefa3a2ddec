import pg from "pg"
import { setStock } from "../../apps/backend/launch/stock.ts"
import type { Bench, Finding, Run } from "../bench.ts"
import { format } from "../figures.ts"
import { prepareShop } from "../medusa/shop.ts"
import { type CartCopies, prepareCartCopies } from "./carts.ts"
import { measure, type Sample, type Setup } from "./measure.ts"
import { HOT, type Shape } from "./payments.ts"

const SHAPES: readonly Shape[] = [
  { name: "items, automatic", capture: "automatic", checkout: "items" },
  { name: "items, manual capture", capture: "manual", checkout: "items" },
  { name: "cart, automatic", capture: "automatic", checkout: "cart" },
]

const LIMITS = [undefined, "live", "sandbox"] as const

let setup: Promise<Setup> | undefined

/** Once for all rows: a shop with plenty of stock. */
async function prepare(run: Run): Promise<Setup> {
  const [payments, warmUp] = run.quick ? [40, 5] : [1_000, 50]
  const prepared = await prepareShop(await run.servers.postgres(), run.say)
  const client = new pg.Client({ connectionString: prepared.databaseUrl })
  await client.connect()
  await setStock(client, prepared.seeded.variants[HOT]?.inventoryItemId ?? "", 1_000_000)
  await client.end()
  run.say(`preparing ${payments + warmUp} carts`)
  const carts: CartCopies = await prepareCartCopies(prepared, payments + warmUp)
  return { prepared, carts, payments, warmUp }
}

function question(shape: Shape) {
  return async (run: Run): Promise<Finding> => {
    setup ??= prepare(run)
    const samples: Record<string, Sample> = {}
    for (const limits of run.quick ? ([undefined, "live"] as const) : LIMITS) {
      const name = limits ? `limits: ${limits}` : "no limits"
      const sample = await measure(run, await setup, shape, limits)
      run.say(
        `${name}: ${sample.orders} orders in ${sample.seconds.toFixed(1)} s, ${sample.stripe.reads} Stripe reads`,
      )
      samples[name] = sample
    }
    const rows = Object.entries(samples).map(([name, sample]) => [name, ...rowOf(sample)])
    const title = `${(await setup).payments} payments of one item at once: ${shape.name}`
    return { tables: [{ title, columns: COLUMNS, rows, note: NOTE }], samples }
  }
}

function rowOf(sample: Sample): string[] {
  const { orders, seconds, latencies, cpu, stripe } = sample
  const at = (part: number) => format(latencies[Math.ceil(part * orders) - 1] ?? Number.NaN)
  const perOrder = (value: number, digits = 1) => format(value / orders, digits)
  return [
    format(orders / seconds, 1),
    at(0.5),
    at(0.99),
    at(1),
    format(sample.secondsToReceive, 1),
    format(sample.secondsToComplete, 1),
    perOrder(sample.statements),
    perOrder(cpu.shop),
    perOrder(cpu.postgres),
    perOrder(stripe.reads, 2),
    perOrder(stripe.refused, 2),
  ]
}

const COLUMNS = [
  "Stripe's limits",
  "Orders a second",
  "p50, ms",
  "p99, ms",
  "max, ms",
  "All received, s",
  "All completed, s",
  "Statements an order",
  "Shop CPU ms an order",
  "Postgres CPU ms an order",
  "Stripe reads an order",
  "Stripe refusals an order",
]

const NOTE =
  "One process of the shop, which receives, decides and carries out; a local Stripe in the bench's process and Postgres are " +
  "on the same cores. Orders a second: from the first webhook sent to the last order committed. p50, p99 and max: from " +
  "the event stored to its order committed. All received, all completed: from the first webhook sent to the last event " +
  "stored, and to the last payment captured and told of (`order.placed`). CPU, statements and calls to Stripe are " +
  "counted until then."

export const bench: Bench = {
  about:
    "From payment to order: 1,000 paid Stripe payments, whose webhooks come at once, with Stripe's limits and without",
  questions: Object.fromEntries(SHAPES.map((shape) => [shape.name.replace(/\W+/g, "-"), question(shape)])),
}
