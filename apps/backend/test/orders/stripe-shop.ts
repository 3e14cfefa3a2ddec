import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { type StripeLocal, startStripeLocal } from "@holdfast/stripe-local"
import pg from "pg"
import type Stripe from "stripe"
import { isSettled } from "../../launch/payment-states.ts"
import { priceOf } from "../../launch/prices.ts"
import type { Seeded } from "../../launch/seeded.ts"
import type { Shop } from "../../launch/shop.ts"
import { AdminClient } from "../../launch/shop-api/admin-client.ts"
import { ShopApiError } from "../../launch/shop-api/request.ts"
import { type Currency, type Line, StoreClient } from "../../launch/shop-api/store-client.ts"
import { readStock, type StockLevel, setStock } from "../../launch/stock.ts"
import { templateAdmin } from "../../launch/template.ts"
import { createDatabase, openScript, openShop, type Script } from "../setup/shop.ts"

export { priceOf as costOf } from "../../launch/prices.ts"
export { HOT_SKU as HOT } from "../../src/seed/catalog.ts"
export const WEBHOOK_SECRET = "whsec_for_the_tests"

export interface PaymentRow {
  id: string
  status: string
  reason: string | null
  order_id: string | null
  attempts: number
  last_error: string | null
  claimed_by: string | null
}

export interface Purchase {
  items: Line[]
  email?: string
  capture?: "automatic" | "manual"
  /** In minor units; by default the price of the items. */
  amount?: number
  currency?: Currency
  /** Replaces the metadata that lists the items. */
  metadata?: Record<string, string>
}

type Database = Awaited<ReturnType<typeof createDatabase>>

/** A shop with its own database and its own local Stripe, driven from outside: over HTTP, and by reading tables. */
export class StripeShop {
  private constructor(
    readonly stripe: StripeLocal,
    readonly client: Stripe,
    readonly database: Database,
    readonly db: pg.Pool,
    private env: Record<string, string>,
    private running: Shop,
  ) {}

  static async open(env: Record<string, string> = {}, given?: Database): Promise<StripeShop> {
    const stripe = await startStripeLocal({ retryDelays: [200, 400, 800, 1600, ...Array(30).fill(3200)] })
    const database = given ?? (await createDatabase())
    const settings = {
      STRIPE_API_KEY: stripe.apiKey,
      STRIPE_HOST: stripe.host,
      STRIPE_PORT: String(stripe.port),
      STRIPE_WEBHOOK_SECRET: WEBHOOK_SECRET,
      // A test that holds back an event doesn't want it to be fetched.
      HOLDFAST_FETCH_EVENTS_EVERY: "0",
      ...env,
    }
    const shop = await openShop(database.url, settings)
    await shop.ready
    const db = new pg.Pool({ connectionString: database.url, max: 4 })
    // The server ends the connections of a database that is dropped.
    db.on("error", () => {})
    const opened = new StripeShop(stripe, stripe.driver(), database, db, settings, shop)
    stripe.addWebhookEndpoint({ url: `${shop.url}/hooks/stripe`, secret: WEBHOOK_SECRET })
    return opened
  }

  get url(): string {
    return this.running.url
  }

  get pid(): number {
    return this.running.pid
  }

  get seeded(): Seeded {
    return this.database.seeded
  }

  /** The shop's log, its earlier processes included. */
  get logs(): string {
    return this.running.logs()
  }

  /** How often the shop's own subscriber was told that this order was placed; with "" any order. */
  announcements(orderId: string | null): number {
    return this.logs.split(`Order placed: ${orderId}`).length - 1
  }

  kill(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    return this.running.kill(signal)
  }

  /** The process stops until it is killed; its running statements go on in the database. */
  freeze(): void {
    process.kill(this.running.pid, "SIGSTOP")
  }

  /** Kills the shop and starts it on the same database and port: Stripe goes on delivering to it. */
  async restart(env: Record<string, string> = {}): Promise<void> {
    await this.running.kill("SIGKILL")
    this.env = { ...this.env, ...env }
    this.running = await openShop(this.database.url, this.env, this.running.port)
    await this.running.ready
  }

  /** A second process of the same shop. */
  async another(env: Record<string, string> = {}): Promise<Shop> {
    const shop = await openShop(this.database.url, { ...this.env, ...env })
    await shop.ready
    return shop
  }

  /** Starts a script of the store from this folder, in a process of its own that has the shop's settings and no worker. */
  script(name: string, args: string[]): Script {
    const file = fileURLToPath(new URL(name, import.meta.url))
    return openScript(this.database.url, this.env, file, args)
  }

  async close(): Promise<void> {
    await this.running.stop()
    await this.db.end()
    await this.stripe.close()
    await this.database.drop()
  }

  async rows<T = Record<string, unknown>>(sql: string, values: unknown[] = []): Promise<T[]> {
    return (await this.db.query(sql, values)).rows as T[]
  }

  async count(sql: string, values: unknown[] = []): Promise<number> {
    return Number((await this.rows<{ count: string }>(`SELECT count(*) FROM ${sql}`, values))[0]?.count)
  }

  /** Sets the stocked quantity and removes every reservation. */
  async putStock(sku: string, quantity: number): Promise<void> {
    await setStock(this.db, this.itemOf(sku), quantity)
  }

  async stock(sku: string): Promise<Pick<StockLevel, "stocked" | "reserved" | "reservations" | "raw">> {
    const levels = await readStock(this.db)
    const level = levels.find(({ inventoryItemId }) => inventoryItemId === this.itemOf(sku))
    if (!level) throw new Error(`No inventory level of ${sku}`)
    const { stocked, reserved, reservations, raw } = level
    return { stocked, reserved, reservations, raw }
  }

  itemOf(sku: string): string {
    return this.variant(sku).inventoryItemId
  }

  variant(sku: string) {
    const variant = this.seeded.variants[sku]
    if (!variant) throw new Error(`No variant ${sku}`)
    return variant
  }

  /** A payment intent of a checkout outside Medusa, not yet confirmed. */
  async intent({
    items,
    email,
    capture = "automatic",
    amount,
    currency = "usd",
    metadata,
  }: Purchase): Promise<string> {
    const bought = this.storefront.variants(items)
    const intent = await this.client.paymentIntents.create({
      amount: amount ?? priceOf(items, currency),
      currency,
      capture_method: capture,
      receipt_email: email ?? "buyer@shop.example",
      metadata: metadata ?? { items: JSON.stringify(bought) },
      shipping: {
        name: "Ada Lovelace",
        address: { line1: "1 Quay", city: "Bath", postal_code: "04530", state: "ME", country: "US" },
      },
    })
    return intent.id
  }

  async confirm(id: string): Promise<string> {
    await this.client.paymentIntents.confirm(id, { payment_method: "pm_card_visa" })
    return id
  }

  /** The promotion with code TEN: ten percent off each item, or off the whole order. */
  async offerTenPercent(target_type: "items" | "order", currency_code: string): Promise<void> {
    const application_method = {
      type: "percentage",
      target_type,
      value: 10,
      allocation: "across",
      currency_code,
    }
    const promotion = { code: "TEN", type: "standard", status: "active", application_method }
    await this.admin("POST", "/admin/promotions", promotion)
  }

  /** From now on events are of a version that the shop does not know: it has to ask Stripe about each payment. */
  sendOldEvents(): void {
    this.stripe.delivery = { rewrite: (event) => ({ ...event, api_version: "2020-08-27" }) }
  }

  /** What the shop itself asked Stripe about a payment. */
  calls(intent: string): string[] {
    const own = this.stripe.requests.filter(({ driver, path }) => !driver && path.includes(intent))
    return own.map(({ method, path }) => `${method} ${path.replace(intent, "pi")}`)
  }

  /** A buyer pays; Stripe sends its webhook. */
  async pay(purchase: Purchase): Promise<string> {
    return await this.confirm(await this.intent(purchase))
  }

  /** A storefront's checkout up to the payment: cart, address, shipping, payment session. */
  async checkout(
    lines: Line[],
    options: {
      email?: string
      currency?: Currency
      promotion?: string
      giftCard?: string
      paymentData?: Record<string, unknown>
    } = {},
  ) {
    const checkout = { lines, email: "cart@shop.example", ...options }
    const { cartId, session } = await this.withLog(() => this.storefront.checkOut(checkout))
    return { cartId, intentId: session.data.id as string, sessionId: session.id }
  }

  // biome-ignore lint/suspicious/noExplicitAny: answers are read, not built upon
  async store(method: string, path: string, body?: unknown): Promise<any> {
    return await this.withLog(() => this.storefront.request(method, path, body))
  }

  // biome-ignore lint/suspicious/noExplicitAny: answers are read, not built upon
  async admin(method: string, path: string, body?: unknown): Promise<any> {
    return await this.withLog(async () => {
      const admin = await AdminClient.login(this.url, templateAdmin)
      return await admin.request(method, path, body)
    })
  }

  private get storefront(): StoreClient {
    return new StoreClient(this.url, this.seeded)
  }

  /** Adds the end of the shop's log to the error where the shop failed. */
  private async withLog<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await call()
    } catch (error) {
      if (error instanceof ShopApiError && error.status >= 500) error.message += `\n${this.logs.slice(-2000)}`
      throw error
    }
  }

  async payments(ids: string[]): Promise<PaymentRow[]> {
    return await this.rows<PaymentRow>(`SELECT * FROM stripe_payment WHERE id = ANY($1)`, [ids])
  }

  async payment(id: string): Promise<PaymentRow> {
    return (await this.payments([id]))[0] as PaymentRow
  }

  /** Waits until the payment is in this state, and returns it. */
  async become(id: string, status: string): Promise<PaymentRow> {
    return await this.until(`${id} to be ${status}`, async () => {
      const payment = await this.payment(id)
      return payment?.status === status ? payment : undefined
    })
  }

  /** Waits until every payment is settled, and returns them. */
  async settled(ids: string[]): Promise<PaymentRow[]> {
    const open = async () => {
      const rows = await this.payments(ids)
      const settled = rows.filter(({ status }) => isSettled(status))
      return ids.filter((id) => !settled.some((row) => row.id === id))
    }
    try {
      await this.until("all payments to be settled", async () => (await open()).length === 0 || undefined)
    } catch (error) {
      throw new Error(JSON.stringify(await this.payments(await open()), null, 1), { cause: error })
    }
    return await this.payments(ids)
  }

  /** Polls until the condition holds in the database or local Stripe; a timeout's error says what it waited for. */
  async until<T>(
    what: string,
    condition: () => Promise<T | undefined> | T | undefined,
    seconds = 150,
  ): Promise<T> {
    const end = Date.now() + seconds * 1000
    for (;;) {
      const value = await condition()
      if (value !== undefined) return value
      if (Date.now() > end) throw new Error(`Waited ${seconds} s for ${what}.\n${this.logs.slice(-3000)}`)
      await sleep(40)
    }
  }
}

export function times<T>(count: number, make: (index: number) => Promise<T>): Promise<T[]> {
  return Promise.all(Array.from({ length: count }, (_, index) => make(index)))
}
