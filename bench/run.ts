import { join } from "node:path"
import { parseArgs } from "node:util"
import Table from "cli-table3"
import { type Bench, STORES, type StoreName, type Table as TableOf } from "./bench.ts"
import { keep, machine, RESULTS } from "./results.ts"
import { Servers } from "./servers.ts"

/** To add one: a file or folder that exports `bench`, and its line here. */
const BENCHES: Readonly<Record<string, () => Promise<{ bench: Bench }>>> = {
  lock: () => import("./lock/index.ts"),
  "acquire-step": () => import("./acquire-step.ts"),
  "complete-cart": () => import("./complete-cart.ts"),
  orders: () => import("./orders/index.ts"),
  oversell: () => import("./oversell/index.ts"),
}

const OPTIONS = {
  quick: { type: "boolean", default: false },
  store: { type: "string" },
  rows: { type: "string" },
  out: { type: "string" },
  help: { type: "boolean", default: false },
} as const

interface Choice {
  name: string
  quick: boolean
  stores: StoreName[]
  questions: string[]
  out: string
}

async function list(): Promise<void> {
  console.log("npm run bench -- NAME [--quick] [--store redis,…] [--rows NAME,…] [--out FOLDER]\n")
  for (const [name, load] of Object.entries(BENCHES)) {
    const { bench } = await load()
    console.log(`${name}: ${bench.about}\n  rows: ${Object.keys(bench.questions).join(", ")}`)
  }
}

/** The named entries of a list, or all of them; an unknown name is an error. */
function pick<Name extends string>(given: string | undefined, all: readonly Name[], option: string): Name[] {
  const wanted = given?.split(",") ?? all
  const wrong = wanted.find((it) => !all.includes(it as Name))
  if (wrong !== undefined) throw new Error(`--${option}: there is no ${wrong}, only ${all.join(", ")}`)
  return all.filter((it) => wanted.includes(it))
}

/** A partial run gets its own name, so that it doesn't replace the result of a whole one. */
function fileName({ name, stores, questions }: Choice, bench: Bench, date: string): string {
  const part = [
    ...(stores.length < STORES.length ? stores : []),
    ...(questions.length < Object.keys(bench.questions).length ? questions : []),
  ]
  return [date, name, ...part].join("-")
}

async function run(choice: Choice, bench: Bench): Promise<void> {
  const started = performance.now()
  const servers = new Servers()
  const tables: TableOf[] = []
  const samples: Record<string, unknown> = {}
  const charts: Record<string, string> = {}
  const seconds = () => (performance.now() - started) / 1_000
  try {
    for (const name of choice.questions) {
      const say = (progress: string) =>
        console.error(`${seconds().toFixed(0).padStart(4)} s  ${name}: ${progress}`)
      const finding = await bench.questions[name]?.({ ...choice, servers, say })
      tables.push(...(finding?.tables ?? []))
      samples[name] = finding?.samples
      Object.assign(charts, finding?.charts)
      for (const table of finding?.tables ?? []) print(table)
    }
    const date = new Date().toISOString().slice(0, 10)
    const command = ["npm run bench --", ...process.argv.slice(2)].join(" ")
    const about = { ...(await machine()), ...(await servers.describe()) }
    const result = { bench: choice.name, date, command, quick: choice.quick, about, seconds: seconds() }
    console.log(
      Object.entries(about)
        .map(([key, value]) => `${key}: ${value}`)
        .join("\n"),
    )
    console.log(await keep({ ...result, tables, samples }, charts, choice.out, fileName(choice, bench, date)))
  } finally {
    await servers.stop()
  }
}

function print({ title, columns, rows, note }: TableOf): void {
  const table = new Table({ head: [...columns], style: { head: [], border: [] } })
  table.push(...rows.map((row) => [...row]))
  console.log(`\n${title}\n${table}\n${note}\n`)
}

const { values, positionals } = parseArgs({ options: OPTIONS, allowPositionals: true })
const [name = ""] = positionals
const load = BENCHES[name]
if (!load || values.help) {
  await list()
  process.exitCode = values.help || name === "" ? 0 : 2
} else {
  const { bench } = await load()
  const quick = values.quick
  const stores = pick(values.store, STORES, "store")
  const questions = pick(values.rows, Object.keys(bench.questions), "rows")
  const out = values.out ?? (quick ? join(RESULTS, "quick") : RESULTS)
  await run({ name, quick, stores, questions, out }, bench)
  // Some of the contenders leave timers that would keep the process for a minute.
  process.exit()
}
