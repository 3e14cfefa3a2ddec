import { readdir, readFile } from "node:fs/promises"
import type { Finding, Run, StoreName, Table } from "../bench.ts"
import { format } from "../figures.ts"
import { addressOf, type Contender, contendersOf, OURS } from "./contenders/index.ts"
import { Crew } from "./crew.ts"
import { executedBy } from "./executed.ts"
import type { Gathered, What } from "./idleness.ts"

interface Sample extends Gathered {
  readonly what: string
  /** Parts of one core. */
  readonly cpu: number
  readonly serverCpu: number
  readonly commandsPerSecond: number
}

/** What do requests cost that only wait, and leases that are only held? */
export async function idle(run: Run): Promise<Finding> {
  const scale = run.quick ? 0.01 : 1
  const cases = [
    { what: "waiters", count: 10_000 * scale, window: run.quick ? 200 : 5_000 },
    { what: "leases", count: 100_000 * scale, window: run.quick ? 200 : 5_000 },
    { what: "renewed leases", count: 100_000 * scale, window: run.quick ? 200 : 10_000 },
  ] as const
  const samples: Record<string, Sample[]> = {}
  for (const store of run.stores) {
    const contender = contendersOf(store).find(({ name }) => name.startsWith(OURS)) as Contender
    const found: Sample[] = []
    for (const { what, count, window } of cases) {
      const sample = await measure(contender, what, count, window, run)
      run.say(`${contender.name}: ${JSON.stringify(sample)}`)
      found.push(sample)
    }
    samples[contender.name] = found
  }
  return { tables: [table(samples)], samples }
}

async function measure(
  contender: Contender,
  what: What,
  count: number,
  window: number,
  run: Run,
): Promise<Sample> {
  const { store } = contender
  const crew = await Crew.of(1, contender, await addressOf(store, run))
  try {
    const [gathered] = await crew.order<Gathered>({ do: "gather", what, count })
    if (!gathered) throw new Error(`${contender.name} could not have ${count} ${what}`)
    const before = { executed: await executedBy(store, run), cpu: await serverCpu(store, run) }
    const started = performance.now()
    const [cpu = Number.NaN] = await crew.order<number>({ do: "rest", window })
    const seconds = (performance.now() - started) / 1_000
    return {
      what: `${format(count)} ${what}`,
      ...gathered,
      cpu,
      serverCpu: ((await serverCpu(store, run)) - before.cpu) / seconds,
      commandsPerSecond: ((await executedBy(store, run)) - before.executed) / seconds,
    }
  } finally {
    await crew.dismiss()
    await clear(store, run)
  }
}

/** What the process has left behind would be there for minutes. */
async function clear(store: StoreName, { servers }: Run): Promise<void> {
  if (store === "redis") await (await servers.redis()).wipe()
  if (store === "postgres")
    await (await servers.postgres()).query("DROP SCHEMA IF EXISTS holdfast_lock CASCADE")
}

/** In s, of the server and its processes; not a number where there is no /proc. */
async function serverCpu(store: StoreName, { servers }: Run): Promise<number> {
  if (store === "memory") return Number.NaN
  const pid = store === "redis" ? (await servers.redis()).pid : (await servers.postgres()).server.pid
  let ticks = Number.NaN
  for (const name of await readdir("/proc").catch(() => [])) {
    const stat = await readFile(`/proc/${name}/stat`, "utf8").catch(() => "")
    // After the name in parentheses: state, parent, …; the times are 11 and 12 fields further on.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
    if (Number(name) !== pid && Number(fields[1]) !== pid) continue
    ticks = (Number.isNaN(ticks) ? 0 : ticks) + Number(fields[11]) + Number(fields[12])
  }
  return ticks / 100
}

function table(samples: Record<string, Sample[]>): Table {
  const percent = (part: number) => (Number.isNaN(part) ? "–" : `${format(100 * part, 1)} %`)
  const rows = Object.entries(samples).flatMap(([name, found]) =>
    found.map((it) => [
      `${name}: ${it.what}`,
      format(it.bytes),
      format(it.commandsPerSecond, 1),
      percent(it.cpu),
      percent(it.serverCpu),
      format(it.ms / 1_000, 1),
    ]),
  )
  return {
    title: "While nothing happens",
    columns: ["", "Bytes of heap each", "Commands/s", "CPU, process", "CPU, server", "Gathered in s"],
    rows,
    note: "Of one process, all waiting for one key, or each holding a key of its own. Leases have a ttl of 10 min, renewed ones of 30 s (the default), so that each of them is renewed every 10 s. Commands are those that the server executed, inside of scripts too; for Postgres statements. CPU: of one core.",
  }
}
