import type { Bench, Finding, Run } from "../bench.ts"
import { format } from "../figures.ts"
import { prepareShop } from "../medusa/shop.ts"
import { barChart } from "./chart.ts"
import { CONTENDERS, type Contender, SCENARIOS, type Scenario } from "./contenders.ts"
import { layOut } from "./lay-out.ts"
import { OversellShop, type Sample } from "./measure.ts"

type Samples = Map<Contender, Map<Scenario, Sample>>

async function race(run: Run): Promise<Finding> {
  const postgres = await run.servers.postgres()
  const prepared = await prepareShop(postgres, run.say)
  const scenarios = run.quick ? SCENARIOS.slice(0, 1) : SCENARIOS
  const samples: Samples = new Map()
  for (const isOurs of [true, false]) {
    const shop = await OversellShop.open(postgres, prepared, isOurs ? undefined : layOut())
    try {
      for (const contender of CONTENDERS.filter((one) => one.isOurs === isOurs)) {
        const found = new Map<Scenario, Sample>()
        for (const scenario of scenarios) {
          const sample = await shop.measure(contender, scenario)
          run.say(`${contender.name}, ${scenario.name}: ${JSON.stringify(sample)}`)
          found.set(scenario, sample)
        }
        samples.set(contender, found)
      }
    } finally {
      await shop.close()
    }
  }
  return findingOf(samples, scenarios)
}

function findingOf(samples: Samples, scenarios: readonly Scenario[]): Finding {
  const of = (contender: Contender, scenario: Scenario) => samples.get(contender)?.get(scenario) as Sample
  const tables = scenarios.map((scenario) => ({
    title: scenario.name,
    columns: COLUMNS,
    rows: CONTENDERS.map((contender) => [contender.name, ...rowOf(of(contender, scenario))]),
    note: NOTE,
  }))
  const rushes = scenarios.filter(({ payments }) => payments > 1)
  const oversold = barChart("Units oversold", CONTENDERS, rushes, (contender, scenario) => {
    return of(contender, scenario).oversold
  })
  const kept = Object.fromEntries(
    scenarios.map((scenario) => [
      scenario.name,
      Object.fromEntries(CONTENDERS.map((contender) => [contender.name, of(contender, scenario)])),
    ]),
  )
  return { tables, samples: kept, charts: { oversold } }
}

const COLUMNS = [
  "",
  "Orders",
  "Units oversold",
  "Duplicate orders",
  "Buyers charged for nothing",
  "Refunded",
  "Stock left, as the shop says",
  "Webhooks refused",
  "Seconds",
]

function rowOf(sample: Sample): string[] {
  const { orders, oversold, duplicates, chargedForNothing, refunded, stockLeft } = sample
  const { refusedDeliveries, deliveries, seconds } = sample
  return [
    ...[orders, oversold, duplicates, chargedForNothing, refunded, stockLeft].map(String),
    `${refusedDeliveries} of ${deliveries}`,
    format(seconds, 1),
  ]
}

const NOTE =
  "Each payment is for one unit, and all are paid at once. One process of the shop. Without Holdfast: a workflow that looks " +
  "for an order of the payment, creates the order, reads the stock and writes what is left (`bench/oversell/shop`), with " +
  "Medusa's `acquireLockStep` (timeout 30 s, ttl 120 s) around it and Medusa's default locking provider; a failure is " +
  "answered with 500, and Stripe tries three more times. Charged for nothing: paid, with neither an order nor a refund. " +
  "Seconds: until the last webhook is answered, and with Holdfast the last payment settled, refunds included. One run; how " +
  "many units are oversold differs from run to run."

export const bench: Bench = {
  about:
    "The seed's question: 50 payments for 5, 10 and 20 units, with Medusa's lock by different keys, and Holdfast",
  questions: { race },
}
