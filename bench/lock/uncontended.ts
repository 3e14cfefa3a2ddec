import { type Finding, inRounds, type Run, type StoreName, type Table } from "../bench.ts"
import { format, median, ratio, spread } from "../figures.ts"
import { addressOf, type Contender, contendersOf, limitsOf, type Opened } from "./contenders/index.ts"

const IN_FLIGHT = [1, 64] as const

/** How many pairs of acquire and release a second, without contention? */
export async function uncontended(run: Run): Promise<Finding> {
  const tables: Table[] = []
  const samples: Record<string, unknown> = {}
  for (const store of run.stores) {
    const rates = await measureStore(store, run)
    tables.push(table(store, rates))
    samples[store] = Object.fromEntries([...rates].map(([{ name }, it]) => [name, it]))
  }
  return { tables, samples }
}

type Rates = Map<Contender, number[][]>

async function measureStore(store: StoreName, run: Run): Promise<Rates> {
  const [rounds, duration] = run.quick ? [1, 50] : [7, 600]
  const address = await addressOf(store, run)
  const contenders = [...contendersOf(store), ...limitsOf(store)]
  const opened = new Map<Contender, Opened>()
  for (const contender of contenders) {
    const it = await contender.open(address)
    opened.set(contender, it)
    // Connections, prepared statements and the compiler are to be warm.
    for (const n of IN_FLIGHT) await pairsPerSecond(it, n, duration / 2)
  }
  const rates = await inRounds(rounds, contenders, async (contender, round) => {
    const found: number[] = []
    for (const n of IN_FLIGHT) found.push(await pairsPerSecond(opened.get(contender) as Opened, n, duration))
    run.say(`${round + 1}/${rounds} ${contender.name}: ${found.map((it) => format(it)).join(" / ")}`)
    return found
  })
  for (const it of opened.values()) await it.close()
  return rates
}

async function pairsPerSecond({ pair }: Opened, inFlight: number, duration: number): Promise<number> {
  let pairs = 0
  const started = performance.now()
  const work = async (_: unknown, i: number) => {
    for (const key = `key:${i}`; performance.now() - started < duration; pairs++) await pair(key)
  }
  await Promise.all(Array.from({ length: inFlight }, work))
  return (pairs / (performance.now() - started)) * 1_000
}

function table(store: StoreName, rates: Rates): Table {
  const columns = IN_FLIGHT.flatMap((n) => [`${n} in flight`, "× baseline"])
  const [baseline] = [...rates.keys()].filter((it) => it.baseline)
  const of = (contender: Contender | undefined, at: number) =>
    (contender ? rates.get(contender) : undefined)?.map((it) => it[at] ?? Number.NaN) ?? []
  const rows = [...rates.keys()].map((contender) => [
    contender.name,
    ...IN_FLIGHT.flatMap((_, at) => {
      const values = of(contender, at)
      return [spread(values.map(roundOff)), format(ratio(values, of(baseline, at)), 2)]
    }),
  ])
  const note = `Pairs of acquire and release a second, each on a key of its own: the median of the rounds, and from the least to the most. Baseline: ${baseline?.name}; the ratio is the median of the rounds' own. More is better.`
  return { title: `Uncontended, ${store}`, columns: ["", ...columns], rows, note }
}

/** Three digits are more than it is good for. */
function roundOff(rate: number): number {
  const step = 10 ** Math.max(0, Math.floor(Math.log10(median([rate]))) - 2)
  return Math.round(rate / step) * step
}
