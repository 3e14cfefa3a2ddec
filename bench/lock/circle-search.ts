/**
 * For how long a store searches for a circle that isn't there, behind crowds: `npx tsx bench/lock/circle-search.ts`, after
 * `npm run build`. A request that holds a lease asks for a key that many wait for already.
 */
import { type AcquireOptions, type Lease, Locks, type Store } from "@holdfast/lock"
import { memoryStore } from "@holdfast/lock/memory"
import { postgresStore } from "@holdfast/lock/postgres"
import { redisStore } from "@holdfast/lock/redis"
import { Servers } from "../servers.ts"

const CROWDS = [
  { count: 1_000, keys: 2 },
  { count: 3_000, keys: 2 },
  { count: 10_000, keys: 1 },
]
const TRIES = 5
const PATIENT = 120_000

/** The median of some tries, in ms. The single try behind it is answered when the search is over. */
async function search(locks: Locks, options: AcquireOptions, waiting: Promise<Lease>[]): Promise<number> {
  const times: number[] = []
  for (let i = 0; i < TRIES; i++) {
    const start = performance.now()
    waiting.push(locks.acquire("hot", options))
    await locks.tryAcquire("hot")
    times.push(performance.now() - start)
  }
  return times.sort((a, b) => a - b)[TRIES >> 1] ?? 0
}

async function measure(store: Store, { count, keys }: (typeof CROWDS)[number]): Promise<number[]> {
  const locks = new Locks(store, { timeout: PATIENT, ttl: PATIENT })
  const [, wanted, unwanted] = await Promise.all(
    ["hot", "wanted", "unwanted"].map((key) => locks.acquire(key)),
  )
  const stop = new AbortController()
  const { signal } = stop
  const keysOf = (i: number) => (keys === 1 ? "hot" : ["hot", `own ${i}`])
  const waiting = Array.from({ length: count }, (_, i) => locks.acquire(keysOf(i), { signal }))
  waiting.push(locks.acquire("wanted", { signal }))
  for (const each of waiting) each.catch(() => undefined)
  while ((await locks.inspect()).find(({ key }) => key === "wanted")?.waiters.length !== 1);
  const times: number[] = []
  for (const holding of [[], unwanted ? [unwanted] : [], wanted ? [wanted] : []])
    times.push(await search(locks, { signal, holding }, waiting))
  stop.abort()
  await Promise.allSettled(waiting)
  await locks.close()
  return times
}

const servers = new Servers()
const { url } = await servers.redis()
const connectionString = (await servers.postgres()).server.url()
const stores = {
  memory: () => memoryStore(),
  Redis: () => redisStore({ url, prefix: crypto.randomUUID(), commandTimeout: PATIENT }),
  Postgres: () => postgresStore({ connectionString, responseTimeout: PATIENT }),
}
console.log("ms of a request that holds nothing; what none waits for; what another waits for")
for (const [name, open] of Object.entries(stores))
  for (const crowd of CROWDS) {
    const times = (await measure(open(), crowd)).map((ms) => ms.toFixed(1))
    console.log(`${name}, behind ${crowd.count} for ${crowd.keys} key each: ${times.join("; ")}`)
  }
await servers.stop()
