import pMap from "p-map"
import { ShopApiError } from "../apps/backend/launch/shop-api/request.ts"
import { StoreClient } from "../apps/backend/launch/shop-api/store-client.ts"
import { type Bench, type Finding, inRounds, type Run } from "./bench.ts"
import { format, median, spread } from "./figures.ts"
import { PROVIDERS, type Provider } from "./medusa/locking.ts"
import { cpuOf, openShopWithLocking, type Prepared, prepareCarts } from "./medusa/shop.ts"

interface Sample {
  readonly seconds: number
  readonly orders: number
  /** The number of failures by cause. */
  readonly failures: Readonly<Record<string, number>>
  /** CPU time of the shop's process, in ms. */
  readonly cpu: number
  readonly statements: number
}

/** The providers as `medusa-config.ts` would list them. */
async function configOf({ id, isOurs, store }: Provider, { servers }: Run): Promise<object[]> {
  if (id === "in-memory") return []
  const resolve = isOurs ? `@holdfast/medusa-lock/${store}` : `@medusajs/locking-${store}`
  const options = store === "redis" ? { redisUrl: (await servers.redis()).url } : undefined
  return [{ resolve, id, is_default: true, ...(options && { options }) }]
}

async function measure(run: Run, prepared: Prepared, provider: Provider, atOnce: number): Promise<Sample> {
  const postgres = await run.servers.postgres()
  const database = `bench_${++copies}`
  const url = await postgres.server.createDatabase(database, { template: prepared.database })
  const shop = await openShopWithLocking(url, await configOf(provider, run))
  try {
    const store = new StoreClient(shop.url, prepared.seeded)
    const [warm = "", ...carts] = prepared.cartIds
    await store.complete(warm)
    const [cpu, statements, started] = [cpuOf(shop.pid), await postgres.statements(), performance.now()]
    const complete = (cartId: string) =>
      store
        .complete(cartId)
        .then((answer) => (answer.type === "order" ? undefined : answer.error.message), causeOf)
    const outcomes = await pMap(carts, complete, { concurrency: atOnce })
    const failed = outcomes.filter((it) => it !== undefined)
    return {
      seconds: (performance.now() - started) / 1_000,
      orders: outcomes.length - failed.length,
      failures: count(failed.map((it) => it.replace(/\b[a-z]+_[0-9A-Z]{20,}/g, "…"))),
      cpu: cpuOf(shop.pid) - cpu,
      statements: (await postgres.statements()) - statements,
    }
  } finally {
    await shop.stop()
    await postgres.server.dropDatabase(database)
  }
}

let copies = 0

function causeOf(error: Error): string {
  return error instanceof ShopApiError ? `${error.status} ${error.reason}` : error.message
}

function count(causes: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const cause of causes) counts[cause] = (counts[cause] ?? 0) + 1
  return counts
}

/** How many orders a second does Medusa's own flow make of carts with the same item, and how many does it lose? */
async function rush(run: Run): Promise<Finding> {
  const carts = run.quick ? 8 : 100
  const prepared = await prepareCarts(await run.servers.postgres(), carts + 1, run.say)
  const providers = PROVIDERS.filter(({ store }) => run.stores.includes(store))
  const tables = []
  const samples: Record<string, unknown> = {}
  for (const atOnce of run.quick ? [4] : [10, 50]) {
    const found = await inRounds(1, providers, async (provider) => {
      const sample = await measure(run, prepared, provider, atOnce)
      run.say(
        `${atOnce} at once on ${provider.name}: ${sample.orders} orders in ${sample.seconds.toFixed(1)} s`,
      )
      return sample
    })
    samples[atOnce] = Object.fromEntries([...found].map(([{ name }, it]) => [name, it]))
    const rows = [...found].map(([{ name }, it]) => [name, ...rowOf(it)])
    tables.push({
      title: `${carts} carts on one hot item, ${atOnce} at once`,
      columns: COLUMNS,
      rows,
      note: NOTE,
    })
  }
  return { tables, samples }
}

function rowOf(samples: readonly Sample[]): string[] {
  const perOrder = (of: (sample: Sample) => number) =>
    format(median(samples.map((it) => of(it) / Math.max(it.orders, 1))))
  const causes = samples.flatMap(({ failures }) =>
    Object.entries(failures).map(([cause, times]) => `${times} × ${cause}`),
  )
  return [
    spread(
      samples.map(({ orders, seconds }) => orders / seconds),
      1,
    ),
    spread(samples.map(({ orders }) => orders)),
    causes.join("; ") || "none",
    perOrder(({ cpu }) => cpu),
    perOrder(({ statements }) => statements),
  ]
}

const COLUMNS = [
  "",
  "Orders a second",
  "Orders",
  "Failures by cause",
  "CPU ms an order",
  "Statements an order",
]
const NOTE =
  "Medusa's own complete-cart, over HTTP, in one process of a shop; the same carts, in a copy of the database for each. CPU is " +
  "that of the shop's process; Postgres, Redis and the clients run on the same cores. Statements are those of all clients."

export const bench: Bench = {
  about: "Medusa's complete-cart on each provider of the Locking Module: 100 carts on one hot item",
  questions: { rush },
}
