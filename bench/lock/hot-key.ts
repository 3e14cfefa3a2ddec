import { type Finding, inRounds, type Run, type StoreName, type Table } from "../bench.ts"
import { format, median, ratio, spread } from "../figures.ts"
import { addressOf, type Contender, contendersOf, limitsOf, type Opened } from "./contenders/index.ts"
import { type Contention, contend, overlaps, overtaken, type Turn } from "./contention.ts"
import { Crew } from "./crew.ts"
import { executedBy } from "./executed.ts"

/** Of each job, in ms. */
const JOB = 5
const PROCESSES = 4
const EACH = 25

interface Sample {
  /** Of the ideal: all jobs, one after the other without a pause. */
  readonly times: number
  readonly overtaken: number
  readonly overlaps: number
  readonly failed: number
  /** Commands that clients sent, for each grant; and that the server executed, those inside of scripts as well. */
  readonly sent: number
  readonly executed: number
}

/** How fast does a key go from hand to hand, in which order, and at which price? */
export async function hot(run: Run): Promise<Finding> {
  const tables: Table[] = []
  const samples: Record<string, unknown> = {}
  const sizes = run.quick
    ? [{ waiters: 10, rounds: 1 }]
    : [
        { waiters: 10, rounds: 5 },
        { waiters: 100, rounds: 3 },
        { waiters: 500, rounds: 2 },
      ]
  for (const store of run.stores) {
    const opened = await openAll(store, run)
    for (const { waiters, rounds } of sizes) {
      const found = await inRounds(rounds, [...opened.keys()], async (contender) => {
        const sample = await alone(contender, opened.get(contender) as Opened, waiters, run)
        run.say(`${waiters} waiters, ${contender.name}: ${describe(sample)}`)
        return sample
      })
      tables.push(table(`One hot key, ${store}, ${waiters} waiters in one process`, store, found))
      samples[`${store}, ${waiters}`] = named(found)
    }
    for (const it of opened.values()) await it.close()
    if (store === "memory") continue
    const found = await together(store, run)
    tables.push(table(`One hot key, ${store}, ${PROCESSES} processes × ${EACH} waiters`, store, found))
    samples[`${store}, ${PROCESSES} × ${EACH}`] = named(found)
  }
  return { tables, samples }
}

async function openAll(store: StoreName, run: Run): Promise<Map<Contender, Opened>> {
  const opened = new Map<Contender, Opened>()
  for (const contender of [...contendersOf(store), ...limitsOf(store)]) {
    const it = await contender.open(await addressOf(store, run))
    // Opens the connections of those that take one for each waiter.
    if (store === "postgres") await contend(it, 40, 0)
    else await it.pair("warm")
    opened.set(contender, it)
  }
  return opened
}

async function alone({ store }: Contender, opened: Opened, waiters: number, run: Run): Promise<Sample> {
  const executed = await executedBy(store, run)
  const sent = opened.sent?.() ?? 0
  const found = await contend(opened, waiters, JOB)
  return sampleOf([found], {
    sent: (opened.sent?.() ?? 0) - sent,
    executed: (await executedBy(store, run)) - executed,
  })
}

async function together(store: StoreName, run: Run): Promise<Map<Contender, Sample[]>> {
  const address = await addressOf(store, run)
  const crews = new Map<Contender, Crew>()
  for (const contender of contendersOf(store))
    crews.set(contender, await Crew.of(PROCESSES, contender, address))
  try {
    return await inRounds(run.quick ? 1 : 3, [...crews.keys()], async (contender) => {
      const executed = await executedBy(store, run)
      const order = { do: "contend", waiters: run.quick ? 5 : EACH, job: JOB } as const
      const answers = await crews.get(contender)?.order<Contention & { sent: number }>(order)
      const found = (answers ?? []).filter((it) => it !== undefined)
      const sent = found.reduce((sum, it) => sum + it.sent, 0)
      const sample = sampleOf(found, { sent, executed: (await executedBy(store, run)) - executed })
      run.say(`${PROCESSES} processes, ${contender.name}: ${describe(sample)}`)
      return sample
    })
  } finally {
    for (const crew of crews.values()) await crew.dismiss()
  }
}

function sampleOf(found: readonly Contention[], commands: { sent: number; executed: number }): Sample {
  const turns: Turn[] = found.flatMap((it) => it.turns)
  const wall = Math.max(...turns.map((it) => it.to)) - Math.min(...turns.map((it) => it.from))
  const sum = (values: readonly number[]) => values.reduce((total, it) => total + it, 0)
  return {
    times: wall / (turns.length * JOB),
    overtaken: sum(found.map((it) => overtaken(it.turns))) / turns.length,
    overlaps: overlaps(turns),
    failed: sum(found.map((it) => it.failed)),
    sent: commands.sent / turns.length,
    executed: commands.executed / turns.length,
  }
}

function table(title: string, store: StoreName, found: Map<Contender, Sample[]>): Table {
  const commands = {
    memory: [],
    redis: ["Commands sent a grant", "executed"],
    postgres: ["Statements a grant"],
  }[store]
  const [baseline] = [...found].filter(([it]) => it.baseline).map(([, samples]) => samples)
  const rows = [...found].map(([{ name }, samples]) => [
    name,
    spread(
      samples.map((it) => it.times),
      2,
    ),
    format(
      ratio(
        samples.map((it) => it.times),
        (baseline ?? []).map((it) => it.times),
      ),
      2,
    ),
    orderOf(samples),
    ...(store === "redis" ? [format(median(samples.map((it) => it.sent)), 1)] : []),
    ...(store === "memory" ? [] : [format(median(samples.map((it) => it.executed)), 1)]),
    String(Math.max(...samples.map((it) => it.overlaps))),
  ])
  const columns = ["", "Wall ÷ ideal", "× baseline", "First come, first served", ...commands, "Not alone"]
  return { title, columns, rows, note: NOTE }
}

const NOTE =
  `All ask in one tick, each with a job of ${JOB} ms (a timer of Node's takes about 5.5). Ideal: one job after the other ` +
  "without a pause. The order is that of each process's own requests. “Executed” counts the commands inside of scripts too. " +
  "“Not alone”: jobs that began while another held the key."

function orderOf(samples: readonly Sample[]): string {
  const share = Math.max(...samples.map((it) => it.overtaken))
  return share === 0 ? "exactly" : `${format(100 * share, share < 0.1 ? 1 : 0)} % were overtaken`
}

function describe({ times, overtaken, sent, executed, overlaps, failed }: Sample): string {
  const order = overtaken === 0 ? "in order" : `${format(100 * overtaken)} % overtaken`
  return `${format(times, 2)} × ideal, ${order}, ${format(sent, 1)} sent, ${format(executed, 1)} executed, ${overlaps} not alone, ${failed} failed`
}

function named(found: Map<Contender, Sample[]>): unknown {
  return Object.fromEntries([...found].map(([{ name }, samples]) => [name, samples]))
}
