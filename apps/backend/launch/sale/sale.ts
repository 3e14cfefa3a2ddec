import { setTimeout as sleep } from "node:timers/promises"
import { unruly } from "@holdfast/stripe-local"
import pMap from "p-map"
import { HOT_SKU } from "../../src/seed/catalog.ts"
import type { Launched } from "../launch.ts"
import { isReturned, isSettled, needsReview } from "../payment-states.ts"
import type { Progress } from "../progress.ts"
import { readSeeded } from "../seeded.ts"
import { AdminClient } from "../shop-api/admin-client.ts"
import { StoreClient } from "../shop-api/store-client.ts"
import { askStripe, type Findings, gather, judge } from "./audit.ts"
import { type Buyer, demand, invite } from "./buyers.ts"
import { type Checkout, CheckoutClient } from "./checkout.ts"
import { restock } from "./restock.ts"
import { frame, type SaleProgress, summary } from "./sale-progress.ts"
import { ShopTables } from "./shop-tables.ts"

const AT_ONCE = 6
const POLL_MS = 200
/** The sale is judged as it stands after this time without progress. */
const STALL_MS = 45_000

type Open = Required<Pick<Launched, "stripe">> & Launched

/** Sixty buyers pay at once. When every payment is settled, Medusa's tables and Stripe are audited. */
export async function runSale(launched: Open, progress: Progress): Promise<Findings> {
  const { shop, admin, databaseUrl, stripe } = launched
  const seeded = await readSeeded(databaseUrl)
  const domain = `sale-${Date.now().toString(36)}.example`
  const buyers = invite(domain.replace(/\.example$/, ""))
  const tables = new ShopTables(databaseUrl)
  try {
    await progress.step("Shelves", async () => restock(await AdminClient.login(shop.url, admin), seeded))
    const stockBefore = await tables.available(HOT_SKU)
    const client = new CheckoutClient(new StoreClient(shop.url, seeded), stripe)
    const checkouts = await progress.step("Checkouts", (tell) => checkOutAll(client, buyers, tell))
    const sent = stripe.deliveries.length
    const { intents, seconds, unsettled } = await payAll({
      launched,
      progress,
      tables,
      domain,
      checkouts,
      stockBefore,
      sent,
    })
    const hotVariantId = seeded.variants[HOT_SKU]?.id ?? ""
    return await progress.step("Audit", async () =>
      judge({
        ...(await gather(tables, domain, hotVariantId)),
        money: await askStripe(stripe.client(), intents),
        reviews: (await tables.payments(intents)).filter(({ status }) => needsReview(status)),
        unsettled,
        demand: demand(buyers),
        deliveries: stripe.deliveries.length - sent,
        stockBefore,
        stockAfter: await tables.available(HOT_SKU),
        seconds,
      }),
    )
  } finally {
    await tables.close()
  }
}

function checkOutAll(
  client: CheckoutClient,
  buyers: Buyer[],
  tell: (detail: string) => void,
): Promise<Checkout[]> {
  let done = 0
  const checkOut = async (buyer: Buyer) => {
    const checkout = await client.checkOut(buyer)
    tell(`${++done} of ${buyers.length} buyers are about to pay`)
    return checkout
  }
  return pMap(buyers, checkOut, { concurrency: AT_ONCE })
}

interface Rush {
  launched: Open
  progress: Progress
  tables: ShopTables
  domain: string
  checkouts: Checkout[]
  stockBefore: number
  /** Webhooks that were sent before the first payment. */
  sent: number
}

/** Everyone pays at once; webhooks come twice, late and in any order. */
async function payAll(rush: Rush): Promise<{ intents: string[]; seconds: number; unsettled: string[] }> {
  const { launched, progress, checkouts, stockBefore } = rush
  const { stripe } = launched
  const intents: string[] = []
  const saleProgress: SaleProgress = {
    buyers: checkouts.length,
    paid: 0,
    deliveries: 0,
    orders: 0,
    returned: 0,
    left: stockBefore,
    stockBefore,
  }
  const started = performance.now()
  stripe.delivery = unruly({ seed: 60, twice: 0.25, late: 0.15, lateBy: 1_500, shuffle: 300 })
  const pay = async (checkout: Checkout) => {
    intents.push(await checkout.pay())
    saleProgress.paid += 1
  }
  try {
    return await progress.live(
      () => frame(saleProgress, progress),
      () => summary(saleProgress),
      async () => {
        const paying = Promise.all(checkouts.map(pay))
        const [unsettled] = await Promise.all([watch(rush, saleProgress, intents), paying])
        const seconds = Math.round(performance.now() - started) / 1000
        // Webhooks repeated after the last payment is settled must change nothing, so the audit waits for them.
        await stripe.idle()
        await look(rush, saleProgress, intents)
        return { intents, seconds, unsettled }
      },
    )
  } finally {
    stripe.delivery = {}
  }
}

/** Waits until every buyer has paid and every payment is settled, or no progress is made. Returns the unsettled payments. */
async function watch(rush: Rush, saleProgress: SaleProgress, intents: string[]): Promise<string[]> {
  let last = ""
  let since = performance.now()
  for (;;) {
    const open = await look(rush, saleProgress, intents)
    const isOver = open.length === 0 && intents.length === rush.checkouts.length
    if (isOver || performance.now() - since > STALL_MS) return open
    const now = JSON.stringify(saleProgress)
    if (now !== last) since = performance.now()
    last = now
    await sleep(POLL_MS)
  }
}

async function look(
  { launched, tables, domain, sent }: Rush,
  saleProgress: SaleProgress,
  intents: string[],
): Promise<string[]> {
  const payments = await tables.payments(intents)
  saleProgress.deliveries = launched.stripe.deliveries.length - sent
  saleProgress.orders = await tables.countOrders(domain)
  saleProgress.returned = payments.filter(({ status }) => isReturned(status)).length
  saleProgress.left = await tables.available(HOT_SKU)
  const settled = new Set(payments.filter(({ status }) => isSettled(status)).map(({ id }) => id))
  return intents.filter((id) => !settled.has(id))
}
