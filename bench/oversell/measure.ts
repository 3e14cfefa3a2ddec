import { setTimeout as sleep } from "node:timers/promises"
import { type StripeLocal, startStripeLocal } from "@holdfast/stripe-local"
import pg from "pg"
import type { Seeded } from "../../apps/backend/launch/seeded.ts"
import type { Shop } from "../../apps/backend/launch/shop.ts"
import { addressIn } from "../../apps/backend/launch/shop-api/store-client.ts"
import { setStock } from "../../apps/backend/launch/stock.ts"
import { isAtRest } from "../../packages/medusa-stripe-orders/src/payments/states.ts"
import { openShop, type PreparedShop } from "../medusa/shop.ts"
import { SECRET, stripeEnv } from "../orders/stripe-env.ts"
import type { Database } from "../servers.ts"
import type { Contender, Scenario } from "./contenders.ts"

const HOT = "LANTERN-FIRST"
const PRICE = 120

export interface Sample {
  readonly orders: number
  /** Units in orders above the stock. */
  readonly oversold: number
  /** Orders beyond the one that a payment may have. */
  readonly duplicates: number
  /** Buyers who paid, and have neither an order nor their money back. */
  readonly chargedForNothing: number
  readonly refunded: number
  /** What the shop says is left, and what there should be. */
  readonly stockLeft: number
  /** From the first webhook to the last one answered, and the last payment settled. */
  readonly seconds: number
  readonly deliveries: number
  readonly refusedDeliveries: number
}

/** One shop, in which the contenders that it serves are measured one after the other. */
export class OversellShop {
  private constructor(
    private readonly stripe: StripeLocal,
    private readonly shop: Shop,
    private readonly client: pg.Client,
    private readonly seeded: Seeded,
    private readonly drop: () => Promise<void>,
  ) {}

  static async open(postgres: Database, prepared: PreparedShop, folder?: string): Promise<OversellShop> {
    const database = `oversell_${++copies}`
    const url = await postgres.server.createDatabase(database, { template: prepared.database })
    // Stripe tries again for three days; here three more times.
    const stripe = await startStripeLocal({ retryDelays: [1_000, 2_000, 4_000], deliveryTimeout: 120_000 })
    const shop = await openShop(url, stripeEnv(stripe), folder)
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    return new OversellShop(stripe, shop, client, prepared.seeded, () =>
      postgres.server.dropDatabase(database),
    )
  }

  async measure({ hook, isOurs }: Contender, scenario: Scenario): Promise<Sample> {
    const item = this.seeded.variants[HOT]?.inventoryItemId ?? ""
    await setStock(this.client, item, scenario.stock)
    const ordersBefore = await this.#count()
    const before = this.stripe.deliveries.length
    const { id } = this.stripe.addWebhookEndpoint({
      url: `${this.shop.url}${hook}`,
      secret: SECRET,
      enabledEvents: ["payment_intent.succeeded"],
    })
    const intents = await Promise.all(Array.from({ length: scenario.payments }, (_, i) => this.#intent(i)))
    this.stripe.delivery = { duplicate: () => scenario.deliveries - 1 }
    const started = performance.now()
    const driver = this.stripe.driver()
    await Promise.all(
      intents.map((one) => driver.paymentIntents.confirm(one, { payment_method: "pm_card_visa" })),
    )
    await this.stripe.idle()
    if (isOurs) await this.#settled(intents)
    const seconds = (performance.now() - started) / 1_000
    await driver.webhookEndpoints.del(id)
    const sent = this.stripe.deliveries.slice(before)
    const orders = (await this.#count()) - ordersBefore
    const ordered = await this.#ordered(intents)
    const back = await this.#moneyBack(intents)
    return {
      orders,
      oversold: Math.max(0, orders - scenario.stock),
      duplicates: orders - ordered.size,
      chargedForNothing: intents.filter((one) => !ordered.has(one) && !back.has(one)).length,
      refunded: back.size,
      stockLeft: await this.#left(item),
      seconds,
      deliveries: sent.length,
      refusedDeliveries: sent.filter(({ status }) => status !== 200).length,
    }
  }

  async close(): Promise<void> {
    await this.client.end()
    await this.shop.stop()
    await this.stripe.close()
    await this.drop()
  }

  /** Says what was bought in both ways: for Holdfast, and for the naive workflow. */
  async #intent(index: number): Promise<string> {
    const variant = this.seeded.variants[HOT]
    const region = this.seeded.regions.usd
    const { address_1: line1, first_name, last_name, city, postal_code, country_code } = addressIn("us")
    const order = {
      region_id: region?.id,
      email: `buyer${index}@shop.example`,
      currency_code: "usd",
      sales_channel_id: this.seeded.salesChannelId,
      items: [{ variant_id: variant?.id, title: "Storm Lantern", quantity: 1, unit_price: PRICE }],
    }
    const { id } = await this.stripe.driver().paymentIntents.create({
      amount: PRICE * 100,
      currency: "usd",
      shipping: {
        name: `${first_name} ${last_name}`,
        address: { line1, city, postal_code, country: country_code.toUpperCase() },
      },
      metadata: {
        items: JSON.stringify([{ variant_id: variant?.id, quantity: 1 }]),
        email: order.email,
        sales_channel_id: this.seeded.salesChannelId,
        inventory_item_id: variant?.inventoryItemId ?? "",
        location_id: this.seeded.locationId,
        // Each buyer has a cart. Here its name is enough, for the lock.
        lock_cart: `cart_${++carts}`,
        order: JSON.stringify(order),
      },
    })
    return id
  }

  async #count(): Promise<number> {
    const { rows } = await this.client.query<{ n: number }>(
      `SELECT count(*)::int AS n FROM "order" WHERE deleted_at IS NULL AND canceled_at IS NULL`,
    )
    return rows[0]?.n ?? 0
  }

  /** The payments that have an order. */
  async #ordered(intents: string[]): Promise<Set<string>> {
    const { rows } = await this.client.query<{ id: string }>(
      `SELECT metadata->>'payment_intent_id' AS id FROM "order"
        WHERE metadata->>'payment_intent_id' = ANY ($1) AND deleted_at IS NULL AND canceled_at IS NULL
       UNION SELECT payment.data->>'id' FROM payment
         JOIN order_payment_collection AS link ON link.payment_collection_id = payment.payment_collection_id
        WHERE payment.data->>'id' = ANY ($1)`,
      [intents],
    )
    return new Set(rows.map(({ id }) => id))
  }

  async #moneyBack(intents: string[]): Promise<Set<string>> {
    const refunded = new Set<string>()
    for await (const { payment_intent } of this.stripe.driver().refunds.list({ limit: 100 }))
      if (intents.includes(String(payment_intent))) refunded.add(String(payment_intent))
    return refunded
  }

  async #left(item: string): Promise<number> {
    const { rows } = await this.client.query<{ left: number }>(
      `SELECT (stocked_quantity - reserved_quantity)::int AS left FROM inventory_level WHERE inventory_item_id = $1`,
      [item],
    )
    return rows[0]?.left ?? Number.NaN
  }

  async #settled(intents: string[]): Promise<void> {
    const end = performance.now() + 120_000
    while (performance.now() < end) {
      const { rows } = await this.client.query<{ status: string }>(
        "SELECT status FROM stripe_payment WHERE id = ANY ($1)",
        [intents],
      )
      if (rows.length === intents.length && rows.every(({ status }) => isAtRest(status))) return
      await sleep(50)
    }
    throw new Error("The payments were not settled within 120 s")
  }
}

let copies = 0
let carts = 0
