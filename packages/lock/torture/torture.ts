import { mkdir, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { startPostgres, unsafeFastSettings } from "@holdfast/postgres-local"
import { Chaos } from "./chaos.ts"
import { check, type Violation } from "./checker.ts"
import { buildWorker, type Job, Post } from "./crew.ts"
import { Guard, type Write } from "./guard.ts"
import { historyOf } from "./history.ts"
import { Random } from "./random.ts"
import { CHAOS, fileOf, Recorder, readRecords } from "./records.ts"
import { type Server, SPACE, startPostgresServer, startRedisServer } from "./servers.ts"
import { type Figures, figuresOf } from "./summary.ts"

export interface TortureOptions {
  readonly store: "redis" | "postgres"
  /** How many leases have to be granted before it may end. */
  readonly grants: number
  readonly seed: number
  /** Where the records are kept. They are removed when nothing was violated. */
  readonly folder: string
  /** Called now and then with the grants so far. */
  readonly onProgress?: (grants: number, chaos: Chaos["counts"]) => void
}

export interface Report {
  readonly server: string
  readonly figures: Figures
  readonly violations: readonly Violation[]
}

const WORKERS = 5
const IN_FLIGHT = [42, 2] as const
const KEYS = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "ключ"]
const SLOW_KEYS = ["slow 1", "slow 2", "slow 3", "slow 4"]
const TTL = 700
const COMMAND_TIMEOUT = 1_000
/** How many grants there are between one trouble and the next, on average: a slow machine would know nothing else. */
const GRANTS_BETWEEN = 250
/** When a run in which nothing is granted is given up, in ms: the checker reports the cause. */
const LONGEST_STILL = 60_000
/** How long after the last trouble all processes have to be done, in ms: the longest timeout and more. */
const FINISH_WITHIN = 40_000

/** Lets processes fight for a few keys while everything fails, and checks what they recorded. */
export async function torture(options: TortureOptions): Promise<Report> {
  await mkdir(options.folder, { recursive: true })
  const report = await onServers(options)
  if (report.violations.length === 0) await rm(options.folder, { recursive: true, force: true })
  return report
}

async function onServers(options: TortureOptions): Promise<Report> {
  const { folder, store } = options
  const server = await (store === "redis" ? startRedisServer() : startPostgresServer(folder))
  try {
    const guardServer = await startPostgres({
      dataDir: join(folder, "guard"),
      persistent: false,
      settings: { ...unsafeFastSettings, max_connections: "200" },
    })
    try {
      const { program, remove } = await buildWorker()
      try {
        return await fight(options, server, guardServer.url(), program)
      } finally {
        await remove()
      }
    } finally {
      await guardServer.stop()
    }
  } finally {
    await server.stop()
  }
}

async function fight(
  options: TortureOptions,
  server: Server,
  guardUrl: string,
  program: string,
): Promise<Report> {
  const { folder, store, seed, grants } = options
  const guard = new Guard(guardUrl)
  await guard.install()
  const recorder = new Recorder(fileOf(folder, CHAOS))
  const random = new Random(seed)
  const place = { folder, store, guardUrl, space: SPACE, program }
  const job: Job = {
    ...place,
    keys: KEYS,
    slowKeys: SLOW_KEYS,
    inFlight: IN_FLIGHT,
    ttl: TTL,
    timeoutMs: COMMAND_TIMEOUT,
  }
  const posts = Array.from({ length: WORKERS }, (_, place) => {
    return new Post(place, job, seed + place, recorder, server.port, server.urlAt)
  })
  const failures: string[] = []
  try {
    await Promise.all(posts.map((post) => post.open()))
    await play(posts, new Chaos(random, posts, server, recorder, TTL), random, grants, options.onProgress)
    await Promise.all(posts.map((post) => post.finish(FINISH_WITHIN)))
    failures.push(...posts.flatMap(({ failure }) => failure ?? []), ...(await leftovers(server)))
  } finally {
    for (const post of posts) post.close()
  }
  const writes = await guard.writes()
  await guard.close()
  return report(options, server, writes, failures)
}

async function play(
  posts: readonly Post[],
  chaos: Chaos,
  random: Random,
  wanted: number,
  onProgress: TortureOptions["onProgress"],
): Promise<void> {
  const granted = () => posts.reduce((sum, post) => sum + post.grants, 0)
  const failed = () => posts.some(({ failure }) => failure)
  // All processes have to be at work before the first trouble.
  while (posts.some(({ grants }) => grants === 0) && !failed()) await sleep(20)
  let before = -1
  while ((granted() < wanted || !chaos.isComplete) && granted() > before && !failed()) {
    before = granted()
    chaos.next()
    const next = before + random.between(1, 2 * GRANTS_BETWEEN)
    const latest = performance.now() + LONGEST_STILL
    while (granted() < next && performance.now() < latest && !failed()) {
      await sleep(100)
      onProgress?.(granted(), chaos.counts)
    }
  }
  await chaos.end()
}

/** The leases of the dead expire by their ttl; `inspect` removes them. */
async function leftovers(server: Server): Promise<string[]> {
  const locks = server.locks()
  const giveUp = performance.now() + 4 * TTL + 2_000
  let keys = await locks.inspect()
  while (keys.length > 0 && performance.now() < giveUp) {
    await sleep(50)
    keys = await locks.inspect()
  }
  await locks.close()
  const held = keys.map(({ key, holders, waiters }) => {
    return `${key} has ${holders.length} holders and ${waiters.length} waiters when all are gone`
  })
  return [...held, ...(await server.leftovers())]
}

async function report(
  { folder }: TortureOptions,
  server: Server,
  writes: readonly Write[],
  left: readonly string[],
): Promise<Report> {
  const records = await readRecords(folder)
  const history = historyOf(records, writes)
  const violations = [...left.map((what) => ({ promise: "nothing left behind", what })), ...check(history)]
  await writeFile(join(folder, "writes.json"), JSON.stringify(writes, null, 1))
  return { server: server.version, figures: figuresOf(history), violations }
}
