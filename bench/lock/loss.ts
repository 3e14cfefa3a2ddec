import { setTimeout as sleep } from "node:timers/promises"
import type { Finding, Run, StoreName, Table } from "../bench.ts"
import { addressOf, type Contender, contendersOf } from "./contenders/index.ts"
import { Crew } from "./crew.ts"
import { type Held, hold } from "./holder.ts"

/** In ms: of the lease, of the job, and for how long a report is waited for. */
const TTL = 1_000
const JOB = 3_000
const REPORT_TIMEOUT = 15_000

interface Outcome {
  readonly wiped: Pair
  readonly blocked: Pair
}

/** A holder, and the next request for the same key after its misfortune. A process that died of it reports nothing. */
interface Pair {
  readonly first: Held | undefined
  readonly second: Held | undefined
}

/** What does a holder report that has lost its lock without a fault of its own? */
export async function loss(run: Run): Promise<Finding> {
  const tables: Table[] = []
  const samples: Record<string, unknown> = {}
  for (const store of run.stores.filter((it) => it !== "memory")) {
    const contenders = contendersOf(store)
    const address = await addressOf(store, run)
    // Nothing is timed here, so all of them go through it at once.
    const wiped = await throughIt(contenders, address, "wiped", () => misfortune(store, run))
    run.say(`${store}: ${MISFORTUNE[store]}`)
    const blocked = await throughIt(contenders, address, "blocked", async () => undefined)
    run.say(`${store}: event loop blocked`)
    const outcomes = new Map(
      contenders.map((it, i) => [it, { wiped: wiped[i], blocked: blocked[i] } as Outcome]),
    )
    tables.push(table(store, outcomes))
    samples[store] = Object.fromEntries([...outcomes].map(([{ name }, it]) => [name, it]))
  }
  return { tables, samples }
}

const MISFORTUNE = {
  memory: "",
  redis: "Redis wiped (FLUSHALL)",
  postgres: "all connections ended by the server",
}

async function misfortune(store: StoreName, { servers }: Run): Promise<void> {
  if (store === "redis") return (await servers.redis()).wipe()
  const database = await servers.postgres()
  await database.query(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'",
  )
}

async function throughIt(
  contenders: readonly Contender[],
  address: string,
  key: "wiped" | "blocked",
  strike: () => Promise<void>,
): Promise<Pair[]> {
  const crews: Crew[] = []
  for (const contender of contenders) {
    crews.push(await Crew.of(1, contender, address))
    // Loads its code here, so that those who come after needn't.
    const opened = await contender.open(address)
    await opened.pair("loaded")
    await opened.close()
  }
  const order = { do: "hold", key, ttl: TTL, job: JOB, blocks: key === "blocked" } as const
  await Promise.all(crews.map((crew) => crew.order(order)))
  await strike()
  const second = Promise.all(contenders.map((it) => succeed(it, address, key)))
  // A contender that never reports is not waited for.
  const report = (crew: Crew) =>
    Promise.race([crew.order<Held>({ do: "report" }), sleep(REPORT_TIMEOUT, [SILENT])])
  const first = await Promise.all(crews.map(report))
  const found = await second
  await Promise.all(crews.map((it) => it.dismiss()))
  return contenders.map((_, i) => ({ first: first[i]?.[0], second: found[i] }))
}

const SILENT: Held = { from: 0, to: Number.POSITIVE_INFINITY, said: `nothing in ${REPORT_TIMEOUT / 1_000} s` }

async function succeed(contender: Contender, address: string, key: string): Promise<Held> {
  const opened = await contender.open(address)
  const found = await hold(opened, { key, ttl: TTL, job: 100, blocks: false })
  await opened.close()
  return found
}

function table(store: StoreName, outcomes: Map<Contender, Outcome>): Table {
  const columns = ["", MISFORTUNE[store], "Event loop blocked past the ttl"]
  const rows = [...outcomes].map(([{ name }, { wiped, blocked }]) => [
    name,
    describe(wiped),
    describe(blocked),
  ])
  const note = `While a job held the key (ttl ${TTL} ms, job ${JOB} ms, in a process of its own), and what its lock said when the job was over; then whether another owner had the key meanwhile.`
  return { title: `What a holder is told, ${store}`, columns, rows, note }
}

function describe({ first, second }: Pair): string {
  const said = first ? first.said : "the process crashed"
  if (!second || Number.isNaN(second.from)) return `${said}; no other holder got in (${second?.said})`
  const together = !first || second.from < first.to
  return `${said}; ${together ? "two held it" : "one after the other"}`
}
