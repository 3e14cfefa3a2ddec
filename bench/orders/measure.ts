import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { type Limits, type StripeLocal, startStripeLocal } from "@holdfast/stripe-local"
import pg from "pg"
import type { Shop } from "../../apps/backend/launch/shop.ts"
import type { Run } from "../bench.ts"
import { cpuOf, cpuOfServer, openShop, type PreparedShop } from "../medusa/shop.ts"
import type { Database } from "../servers.ts"
import type { CartCopies } from "./carts.ts"
import { checkOut, deliverAtOnce, EVENTS, pay, type Shape } from "./payments.ts"
import { SECRET, stripeEnv } from "./stripe-env.ts"

export interface Sample {
  readonly orders: number
  /** From the first webhook sent to the last order committed. */
  readonly seconds: number
  /** Of each order, from the event's row to the order's commit; ascending, in ms. */
  readonly latencies: readonly number[]
  /** From the first webhook sent to the last webhook stored. */
  readonly secondsToReceive: number
  /** From the first webhook sent to the last payment completed: captured, and its `order.placed` told. */
  readonly secondsToComplete: number
  readonly statements: number
  /** CPU time until the last payment was completed, in ms. */
  readonly cpu: { readonly shop: number; readonly postgres: number }
  readonly stripe: { readonly reads: number; readonly changes: number; readonly refused: number }
  /** Webhooks that had to be sent again. */
  readonly sentAgain: number
  readonly topStatements: readonly Statement[]
}

interface Statement {
  readonly query: string
  readonly calls: number
  readonly ms: number
}

export interface Setup {
  readonly prepared: PreparedShop
  readonly carts: CartCopies
  readonly payments: number
  readonly warmUp: number
}

const POLL_MS = 250
const STALLED_AFTER_MS = 120_000

/** One process of the shop on a copy of the database: some payments to warm it up, then all of them at once. */
export async function measure(
  run: Run,
  setup: Setup,
  shape: Shape,
  limits: Limits | undefined,
): Promise<Sample> {
  const postgres = await run.servers.postgres()
  const database = `bench_${++copies}`
  const url = await postgres.server.createDatabase(database, { template: setup.prepared.database })
  const stripe = await startStripeLocal({ deliveryTimeout: 30_000 })
  const shop = await openShop(url, { ...stripeEnv(stripe), ...profiling(`${shape.name} ${limits ?? ""}`) })
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    stripe.addWebhookEndpoint({ url: `${shop.url}/hooks/stripe`, secret: SECRET, enabledEvents: EVENTS })
    const { prepared, carts, warmUp, payments } = setup
    const checkouts = { stripe, shape, seeded: prepared.seeded, carts }
    const warming = await checkOut(checkouts, 0, warmUp)
    await deliverAtOnce(stripe, await pay(stripe, warming))
    await untilCompleted(client, warming)
    const intents = await checkOut(checkouts, warmUp, warmUp + payments)
    return await rush({ postgres, database, stripe, shop, client, limits, intents })
  } finally {
    await client.end()
    await shop.stop()
    await stripe.close()
    await postgres.server.dropDatabase(database)
  }
}

let copies = 0

/** Where BENCH_CPU_PROFILE names a folder, the shop writes a CPU profile of each rush into it. */
const profiles = process.env.BENCH_CPU_PROFILE

function profiling(name: string): Record<string, string> {
  if (!profiles) return {}
  const file = join(profiles, `${name.replace(/\W+/g, "-")}.cpuprofile`)
  return { NODE_OPTIONS: `--require ${PROFILER}`, BENCH_CPU_PROFILE: file }
}

function toggleProfile(shop: Shop): void {
  if (profiles) process.kill(shop.pid, "SIGUSR2")
}

const PROFILER = fileURLToPath(new URL("cpu-profile.cjs", import.meta.url))

interface Opened {
  readonly postgres: Database
  readonly database: string
  readonly stripe: StripeLocal
  readonly shop: Shop
  readonly client: pg.Client
  readonly limits: Limits | undefined
  readonly intents: string[]
}

async function rush({ postgres, database, stripe, shop, client, limits, intents }: Opened): Promise<Sample> {
  const events = await pay(stripe, intents)
  stripe.limits = limits
  const asked = stripe.requests.length
  await postgres.query("SELECT pg_stat_statements_reset()")
  const cpuBefore = { shop: cpuOf(shop.pid), postgres: cpuOfServer(postgres.server.pid) }
  toggleProfile(shop)
  const sentAt = Date.now()
  const sentAgain = await deliverAtOnce(stripe, events)
  await untilCompleted(client, intents)
  const cpu = {
    shop: cpuOf(shop.pid) - cpuBefore.shop,
    postgres: cpuOfServer(postgres.server.pid) - cpuBefore.postgres,
  }
  toggleProfile(shop)
  const statements = await statementsOf(postgres, database)
  const times = await timesOf(client, intents)
  const requests = stripe.requests.slice(asked).filter(({ driver }) => !driver)
  const secondsTo = (of: (row: Times) => number) => (Math.max(...times.map(of)) - sentAt) / 1_000
  return {
    orders: times.length,
    seconds: secondsTo(({ ordered }) => ordered),
    latencies: times.map(({ received, ordered }) => ordered - received).sort((a, b) => a - b),
    secondsToReceive: secondsTo(({ received }) => received),
    secondsToComplete: secondsTo(({ completed }) => completed),
    statements: statements.reduce((sum, { calls }) => sum + calls, 0),
    cpu,
    stripe: {
      reads: requests.filter(({ method }) => method === "GET").length,
      changes: requests.filter(({ method }) => method !== "GET").length,
      refused: requests.filter(({ limitedBy }) => limitedBy).length,
    },
    sentAgain,
    topStatements: topOf(statements),
  }
}

/** Waits until the plugin has nothing more to do. The alias tells this query from the shop's. */
async function untilCompleted(client: pg.Client, intents: string[]): Promise<void> {
  let [last, since] = ["", performance.now()]
  for (;;) {
    const { rows } = await client.query<{ status: string; count: number }>(
      `SELECT status, count(*)::int AS count, 1 AS of_the_bench FROM stripe_payment WHERE id = ANY ($1) GROUP BY status`,
      [intents],
    )
    if (rows.length === 1 && rows[0]?.status === "completed" && rows[0].count === intents.length) return
    const found = rows.map(({ status, count }) => `${count} ${status}`).join(", ")
    if (found !== last) [last, since] = [found, performance.now()]
    if (performance.now() - since > STALLED_AFTER_MS) throw new Error(`The payments stand still: ${found}`)
    await sleep(POLL_MS)
  }
}

async function statementsOf(postgres: Database, database: string): Promise<Statement[]> {
  return postgres.query<Statement>(
    `SELECT query, calls::int, total_exec_time AS ms FROM pg_stat_statements
      WHERE toplevel AND dbid = (SELECT oid FROM pg_database WHERE datname = '${database}')
        AND query NOT LIKE '%of_the_bench%'`,
  )
}

/** Those that take the most time, and those that are called most often. */
function topOf(statements: readonly Statement[]): Statement[] {
  const by = (of: (it: Statement) => number) => [...statements].sort((a, b) => of(b) - of(a)).slice(0, 25)
  return [...new Set([...by(({ ms }) => ms), ...by(({ calls }) => calls)])].map((it) => ({
    ...it,
    query: it.query.replace(/\s+/g, " ").slice(0, 300),
  }))
}

interface Times {
  readonly received: number
  readonly ordered: number
  readonly completed: number
}

/** When Postgres committed each step of a payment, in ms. An order's items are written once, with the order. */
async function timesOf(client: pg.Client, intents: string[]): Promise<Times[]> {
  const ms = (time: string) => `(extract(epoch FROM ${time}) * 1000)::float8`
  const { rows } = await client.query<Times>(
    `SELECT ${ms("min(event.created_at)")} AS received,
            ${ms("max(pg_xact_commit_timestamp(item.xmin))")} AS ordered,
            ${ms("max(pg_xact_commit_timestamp(payment.xmin))")} AS completed
       FROM stripe_payment AS payment
       JOIN stripe_event AS event ON event.payment_intent_id = payment.id
       JOIN order_item AS item ON item.order_id = payment.order_id
      WHERE payment.id = ANY ($1) GROUP BY payment.id`,
    [intents],
  )
  return rows
}
