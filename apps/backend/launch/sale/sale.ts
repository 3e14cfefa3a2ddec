import { setTimeout as sleep } from "node:timers/promises"
import { unruly } from "@holdfast/stripe-local"
import { HOT_SKU } from "../../src/seed/catalog.ts"
import type { Launched } from "../launch.ts"
import type { Progress } from "../progress.ts"
import { readSeeded } from "../seeded.ts"
import { askStripe, type Findings, gather, judge } from "./audit.ts"
import { Books } from "./books.ts"
import { type Buyer, demand, invite } from "./buyers.ts"
import { checkOut, type Till } from "./checkout.ts"
import { type Crowd, frame, summary } from "./crowd.ts"
import { restock } from "./restock.ts"

const AT_ONCE = 6
const POLL_MS = 200
/** How long nothing may happen before the sale is judged as it stands. */
const PATIENCE_MS = 45_000

type Open = Required<Pick<Launched, "stripe">> & Launched

/** Sixty buyers at once. Ends when every payment is settled, and then asks Medusa's tables and Stripe what became of them. */
export async function runSale(launched: Open, progress: Progress): Promise<Findings> {
  const { shop, admin, databaseUrl, stripe } = launched
  const seeded = await readSeeded(databaseUrl)
  const domain = `sale-${Date.now().toString(36)}.example`
  const buyers = invite(domain.replace(/\.example$/, ""))
  const books = new Books(databaseUrl)
  try {
    await progress.step("Shelves", () => restock(shop.url, admin, seeded))
    const stockBefore = await books.available(HOT_SKU)
    const till: Till = { shopUrl: shop.url, seeded, stripe: stripe.client() }
    const intents = await progress.step("Checkouts", (tell) => checkOutAll(till, buyers, tell))
    const sent = stripe.deliveries.length
    const { seconds, unsettled } = await payAll({
      launched,
      progress,
      books,
      domain,
      intents,
      stockBefore,
      sent,
    })
    const hotVariantId = seeded.variants[HOT_SKU]?.id ?? ""
    return await progress.step("Audit", async () =>
      judge({
        ...(await gather(books, domain, hotVariantId)),
        money: await askStripe(till.stripe, intents),
        reviews: (await books.payments(intents)).filter(({ status }) => status === "review"),
        unsettled,
        demand: demand(buyers),
        deliveries: stripe.deliveries.length - sent,
        stockBefore,
        stockAfter: await books.available(HOT_SKU),
        seconds,
      }),
    )
  } finally {
    await books.close()
  }
}

async function checkOutAll(till: Till, buyers: Buyer[], tell: (detail: string) => void): Promise<string[]> {
  const intents: string[] = []
  const waiting = buyers.map((buyer, index) => ({ buyer, index }))
  const serve = async () => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      intents[next.index] = await checkOut(till, next.buyer)
      tell(`${buyers.length - waiting.length} of ${buyers.length} buyers are about to pay`)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, serve))
  return intents
}

interface Rush {
  launched: Open
  progress: Progress
  books: Books
  domain: string
  intents: string[]
  stockBefore: number
  /** Webhooks that were sent before anybody paid. */
  sent: number
}

/** All at once, with webhooks that come twice, late and in any order. */
async function payAll(rush: Rush): Promise<{ seconds: number; unsettled: string[] }> {
  const { launched, progress, intents, stockBefore } = rush
  const { stripe } = launched
  const client = stripe.client()
  const crowd: Crowd = {
    buyers: intents.length,
    paid: 0,
    deliveries: 0,
    orders: 0,
    returned: 0,
    left: stockBefore,
    stockBefore,
  }
  const started = performance.now()
  stripe.delivery = unruly({ seed: 60, twice: 0.25, late: 0.15, lateBy: 1_500, shuffle: 300 })
  const pay = async (id: string) => {
    await client.paymentIntents.confirm(id, { payment_method: "pm_card_visa" })
    crowd.paid += 1
  }
  try {
    return await progress.live(
      () => frame(crowd, progress),
      () => summary(crowd),
      async () => {
        const paying = Promise.all(intents.map(pay))
        const [unsettled] = await Promise.all([watch(rush, crowd), paying])
        const seconds = Math.round(performance.now() - started) / 1000
        // What is repeated after the last payment is settled must change nothing: the audit comes after it.
        await stripe.idle()
        await look(rush, crowd)
        return { seconds, unsettled }
      },
    )
  } finally {
    stripe.delivery = {}
  }
}

/** Until every payment is settled, or nothing has happened for a long time. Returns those that are not settled. */
async function watch(rush: Rush, crowd: Crowd): Promise<string[]> {
  let last = ""
  let since = performance.now()
  for (;;) {
    const open = await look(rush, crowd)
    if (open.length === 0 || performance.now() - since > PATIENCE_MS) return open
    const now = JSON.stringify(crowd)
    if (now !== last) since = performance.now()
    last = now
    await sleep(POLL_MS)
  }
}

const SETTLED = ["completed", "refunded", "canceled", "review", "void"]

async function look({ launched, books, domain, intents, sent }: Rush, crowd: Crowd): Promise<string[]> {
  const payments = await books.payments(intents)
  crowd.deliveries = launched.stripe.deliveries.length - sent
  crowd.orders = await books.countOrders(domain)
  crowd.returned = payments.filter(({ status }) => status === "refunded" || status === "canceled").length
  crowd.left = await books.available(HOT_SKU)
  const settled = new Set(payments.filter(({ status }) => SETTLED.includes(status)).map(({ id }) => id))
  return intents.filter((id) => !settled.has(id))
}
