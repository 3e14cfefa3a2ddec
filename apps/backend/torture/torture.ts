import { mkdir } from "node:fs/promises"
import { setTimeout as sleep } from "node:timers/promises"
import { startStripeLocal, unruly } from "@holdfast/stripe-local"
import pg from "pg"
import { readSeeded, type Seeded } from "../launch/seeded.ts"
import { setStock } from "../launch/stock.ts"
import { readSnapshot } from "./audit/read.ts"
import { type Audit, audit } from "./audit/rules.ts"
import type { Snapshot } from "./audit/snapshot.ts"
import { Buyers } from "./buyers.ts"
import { Calm } from "./calm.ts"
import { Chaos } from "./chaos.ts"
import { Fleet } from "./fleet.ts"
import { Office } from "./office.ts"
import { type Plan, planOf } from "./plan.ts"
import { Servers } from "./servers.ts"
import { ShopState } from "./shop-state.ts"

export type Store = "postgres" | "redis"

export interface TortureOptions {
  /** Where the locks are; with redis the event bus and the workflow engine are there too. */
  store: Store
  seed: number
  payments: number
  kills: number
  /** Minutes after which no further purchase begins. */
  minutes: number
  /** How many processes are disturbed. */
  shops: number
  /** The store has hooks of Medusa's cart completion: Medusa completes the carts, in the shops that are killed too. */
  hooks?: boolean
  /** For the shops' logs. */
  folder: string
  onProgress?: (progress: Progress) => void
  /** Called with the audited shop, before it is closed. */
  onAudited?: (shop: AuditedShop) => Promise<void>
}

export interface Progress {
  phase: "starting" | "buying" | "quiet" | "audit"
  begun: number
  /** How many payments are in each state. */
  states: Record<string, number>
  troubles: Chaos["counts"]
}

export interface AuditedShop {
  databaseUrl: string
  /** Judges it anew, by what this client sees of the database. */
  auditIn(client: pg.Client): Promise<Audit>
}

export interface Report {
  store: Store
  server: string
  figures: Figures
  audit: Audit
}

export interface Figures {
  payments: number
  /** Webhooks sent, repeated ones included. */
  deliveries: number
  orders: number
  states: Record<string, number>
  troubles: Chaos["counts"]
  /** Medusa's own flows: carts that the storefront completed, and what the admin did. */
  office: Office["counts"]
  /** The shop's calls to Stripe, and those that Stripe failed or refused. */
  calls: { all: number; failed: number; limited: number }
  /** Processes that ended by themselves. */
  crashes: number
  /** Checkouts that came to no payment. */
  checkoutsRefused: number
  announcedTwice: number
  seconds: { buying: number; quiet: number }
}

/** Longer than a webhook waits for its next try, and than the lease of a worker that died. */
const QUIET_FOR_MS = 8_000
const QUIET_LIMIT_MS = 300_000
/** How long a buyer waits for troubles that are late. Not for all of them: they are to find the shops at work. */
const LATE_MS = 6_000
const POLL_MS = 1_000

/** A shop's processes on one database, with payments of all kinds while everything fails; then the audit. */
export async function torture(options: TortureOptions): Promise<Report> {
  const { store, folder } = options
  await mkdir(folder, { recursive: true })
  const servers = await Servers.start(store === "redis")
  const stripe = await startStripeLocal({
    retryDelays: [200, 400, 800, 1_600, ...Array<number>(60).fill(3_200)],
    deliveryTimeout: 5_000,
  })
  try {
    const plan = planOf({ ...options, redis: store === "redis" })
    const seeded = await readSeeded(servers.databaseUrl)
    await fillShelves(servers.databaseUrl, seeded, plan)
    const { databaseUrl } = servers
    const fleet = await Fleet.open({
      databaseUrl,
      stripe,
      folder,
      shops: options.shops,
      env: envOf(options, servers),
    })
    try {
      return await play(options, { servers, stripe, fleet, seeded, plan })
    } finally {
      await fleet.close()
    }
  } finally {
    await stripe.close()
    await servers.stop()
  }
}

function envOf({ hooks }: TortureOptions, { redis }: Servers): Record<string, string> {
  return {
    SHOP_HOOKS_ORDERS: "true",
    ...(redis && { REDIS_URL: redis.url, HOLDFAST_REDIS_MODULES: "true" }),
    ...(hooks && { SHOP_HOOKS_CART_COMPLETION: "true" }),
  }
}

async function fillShelves(connectionString: string, seeded: Seeded, { stock }: Plan): Promise<void> {
  const client = new pg.Client({ connectionString })
  await client.connect()
  for (const [sku, units] of Object.entries(stock))
    await setStock(client, seeded.variants[sku]?.inventoryItemId ?? "", units)
  await client.end()
}

interface Opened {
  servers: Servers
  stripe: Awaited<ReturnType<typeof startStripeLocal>>
  fleet: Fleet
  seeded: Seeded
  plan: Plan
}

async function play(options: TortureOptions, opened: Opened): Promise<Report> {
  const { servers, stripe, fleet, seeded, plan } = opened
  const office = await Office.open(fleet.office, seeded, new Calm(), plan.stock)
  const state = new ShopState(servers.databaseUrl)
  const buyers = new Buyers(stripe, office, state)
  const chaos = new Chaos({ fleet, office, servers, stripe }, plan.troubles)
  let phase: Progress["phase"] = "buying"
  const tell = async () => {
    const states = await state.counts()
    options.onProgress?.({ phase, begun: buyers.begun, states, troubles: chaos.counts })
  }
  const telling = setInterval(() => void tell(), POLL_MS)
  const started = performance.now()
  const seconds = () => Math.round((performance.now() - started) / 100) / 10
  try {
    await rush(options, opened, buyers, chaos)
    const buying = seconds()
    phase = "quiet"
    await Promise.all(fleet.all.map(({ ready }) => ready))
    await stripe.idle()
    await state.quiet(QUIET_LIMIT_MS, QUIET_FOR_MS)
    const quiet = seconds() - buying
    phase = "audit"
    const sources = {
      stripe,
      logs: fleet.all.map(({ logs }) => logs),
      explained: office.explained,
    }
    const snapshot = await inOneMoment(servers.databaseUrl, (client) => readSnapshot(client, sources))
    const judged = withFailures(audit(snapshot), chaos.failures)
    const figures = figuresOf({ snapshot, stripe, office, buyers, chaos, fleet, judged })
    await options.onAudited?.({
      databaseUrl: servers.databaseUrl,
      auditIn: async (client) => audit(await readSnapshot(client, sources)),
    })
    const report = { ...figures, states: await state.counts(), seconds: { buying, quiet } }
    return { store: options.store, server: servers.version, figures: report, audit: judged }
  } finally {
    clearInterval(telling)
    await chaos.end()
    await state.close()
  }
}

async function rush(
  { seed, minutes, shops }: TortureOptions,
  { stripe, plan }: Opened,
  buyers: Buyers,
  chaos: Chaos,
): Promise<void> {
  // Each process is an endpoint, so that each event is delivered at least three times.
  const copies = Math.ceil(3 / shops)
  stripe.delivery = {
    ...unruly({ seed, shuffle: 2_000, late: 0.1, lateBy: 5_000 }),
    duplicate: () => copies - 1,
  }
  const end = performance.now() + minutes * 60_000
  const mayBegin = async () => {
    const begin = performance.now() + LATE_MS
    while (chaos.isLate && performance.now() < begin) await sleep(200)
    return performance.now() < end
  }
  const running = chaos.run(() => buyers.begun)
  try {
    await buyers.buy(plan.purchases, mayBegin)
  } finally {
    await chaos.end()
    await running
    stripe.delivery = {}
  }
}

async function inOneMoment<T>(connectionString: string, read: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString })
  await client.connect()
  try {
    await client.query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    return await read(client)
  } finally {
    await client.end()
  }
}

/** A run in which a shop did not start again, or a server, has shown nothing. */
function withFailures(judged: Audit, failures: string[]): Audit {
  const violations = failures.map((what) => ({ rule: "stuck" as const, id: "the run", what }))
  return { ...judged, violations: [...judged.violations, ...violations] }
}

interface Counted {
  snapshot: Snapshot
  stripe: Opened["stripe"]
  office: Office
  buyers: Buyers
  chaos: Chaos
  fleet: Fleet
  judged: Audit
}

function figuresOf({ snapshot, stripe, office, buyers, chaos, fleet, judged }: Counted) {
  const calls = stripe.requests.filter(({ driver }) => !driver)
  return {
    payments: buyers.paid,
    deliveries: stripe.deliveries.length,
    orders: snapshot.orders.length,
    troubles: chaos.counts,
    office: office.counts,
    calls: {
      all: calls.length,
      failed: calls.filter(({ status, dropped }) => dropped || (status ?? 500) >= 500).length,
      limited: calls.filter(({ status }) => status === 429).length,
    },
    crashes: fleet.crashes,
    checkoutsRefused: buyers.refused,
    announcedTwice: judged.findings.filter(({ kind }) => kind === "announced twice").length,
  }
}
