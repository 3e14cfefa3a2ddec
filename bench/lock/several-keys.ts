import { setTimeout as sleep } from "node:timers/promises"
import { type Finding, inRounds, type Run, type StoreName, type Table } from "../bench.ts"
import { spread } from "../figures.ts"
import { addressOf, type Contender, contendersOf } from "./contenders/index.ts"
import { clock } from "./contention.ts"

const JOBS = 100
const JOB = 5
const TIMEOUT = 5_000
const KEYS = ["a", "b", "c", "d", "e", "f", "g", "h"] as const

interface Sample {
  readonly done: number
  readonly deadlocks: number
  readonly failed: number
  readonly leftLocked: number
  readonly ms: number
}

/** What becomes of jobs that need several keys, in any order? */
export async function several(run: Run): Promise<Finding> {
  const tables: Table[] = []
  const samples: Record<string, unknown> = {}
  for (const store of run.stores) {
    const contenders = contendersOf(store).filter((it) => it.takesSeveral)
    const found = await inRounds(run.quick ? 1 : 2, contenders, async (contender, round) => {
      const sample = await measure(contender, await addressOf(store, run), round)
      run.say(`${contender.name}: ${JSON.stringify(sample)}`)
      return sample
    })
    tables.push(table(store, found))
    samples[store] = Object.fromEntries([...found].map(([{ name }, it]) => [name, it]))
  }
  return { tables, samples }
}

async function measure(contender: Contender, address: string, round: number): Promise<Sample> {
  const opened = await contender.open(address)
  await opened.pair("warm")
  const draw = lottery(7 + round)
  const name = (key: string) => `several:${round}:${key}`
  const started = clock()
  const jobs = Array.from({ length: JOBS }, () =>
    opened.run(draw().map(name), () => sleep(JOB), { timeout: TIMEOUT }).then(() => undefined, String),
  )
  const errors = (await Promise.all(jobs)).filter((it) => it !== undefined)
  const ms = clock() - started
  const free = (key: string) =>
    opened
      .run([name(key)], async () => undefined, { timeout: 1_000 })
      .then(
        () => 1,
        () => 0,
      )
  // redlock has no time-out: a key that is locked for longer counts as left locked.
  const patient = KEYS.map((key) => Promise.race([free(key), sleep(1_500, 0)]))
  const freed = (await Promise.all(patient)).reduce<number>((sum, it) => sum + it, 0)
  await opened.close()
  const deadlocks = errors.filter((it) => /deadlock/.test(it)).length
  const failed = errors.length - deadlocks
  return { done: JOBS - errors.length, deadlocks, failed, leftLocked: KEYS.length - freed, ms }
}

/** Three of the keys, the same for every contender in the same round. */
function lottery(seed: number): () => string[] {
  let state = seed
  const next = (below: number) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff
    return (state >>> 8) % below
  }
  return () => {
    const left: string[] = [...KEYS]
    return [0, 1, 2].flatMap(() => left.splice(next(left.length), 1))
  }
}

function table(store: StoreName, found: Map<Contender, Sample[]>): Table {
  const columns = [
    "",
    `Done of ${JOBS}`,
    "Deadlocks",
    "Other failures",
    `Keys left locked of ${KEYS.length}`,
    "Time in ms",
  ]
  const rows = [...found].map(([{ name }, samples]) => {
    const of = (field: keyof Sample) => spread(samples.map((it) => it[field]))
    return [name, of("done"), of("deadlocks"), of("failed"), of("leftLocked"), of("ms")]
  })
  const note = `${JOBS} jobs of ${JOB} ms, asked for in one tick; each needs 3 of ${KEYS.length} keys, drawn in any order, and waits for up to ${TIMEOUT / 1_000} s. Left locked: not to be had in 1 s after all had ended.`
  return { title: `Several keys at once, ${store}`, columns, rows, note }
}
