import type { Random } from "../../../packages/lock/torture/random.ts"
import type { Seeded } from "../launch/seeded.ts"
import { AdminClient } from "../launch/shop-api/admin-client.ts"
import { StoreClient } from "../launch/shop-api/store-client.ts"
import { templateAdmin } from "../launch/template.ts"
import { HOT_SKU } from "../src/seed/catalog.ts"
import type { Calm } from "./calm.ts"
import type { Post } from "./fleet.ts"

interface Level {
  stocked_quantity: number
}

interface OrderPayments {
  order: { payment_collections: { payments: { id: string; amount: number }[] }[] }
}

/** Medusa's own flows, on the same stock and orders: the storefront's and the admin's. */
export class Office {
  readonly counts = { completed: 0, refused: 0, stockChanges: 0, refunds: 0, cancels: 0, failed: 0 }
  /** What each item's stock may be: a change without an answer may have been made, or not. */
  readonly explained = new Map<string, number[]>()
  readonly store: StoreClient
  #stockEdit: Promise<unknown> = Promise.resolve()

  private constructor(
    post: Post,
    private readonly admin: AdminClient,
    private readonly seeded: Seeded,
    /** Medusa can't undo what it has begun when its database goes down, so it does nothing then. */
    readonly calm: Calm,
    stock: Record<string, number>,
  ) {
    this.store = new StoreClient(post.url, seeded)
    for (const [sku, quantity] of Object.entries(stock)) this.explained.set(this.#item(sku), [quantity])
  }

  static async open(post: Post, seeded: Seeded, calm: Calm, stock: Record<string, number>): Promise<Office> {
    return new Office(post, await AdminClient.login(post.url, templateAdmin), seeded, calm, stock)
  }

  /** The storefront's own way to an order. */
  async complete(cartId: string): Promise<void> {
    await this.calm.among(async () => {
      const answer = await this.store.complete(cartId).catch(() => undefined)
      this.counts[answer?.type === "order" ? "completed" : "refused"] += 1
    })
  }

  refund(orderId: string, part: number): Promise<void> {
    return this.#try("refunds", async () => {
      const { order } = await this.admin.request<OrderPayments>("GET", `/admin/orders/${orderId}`)
      const payment = order.payment_collections[0]?.payments[0]
      const amount = Math.max(1, Math.floor((payment?.amount ?? 0) * part))
      await this.admin.request("POST", `/admin/payments/${payment?.id}/refund`, { amount })
    })
  }

  cancel(orderId: string): Promise<void> {
    return this.#try("cancels", () => this.admin.request("POST", `/admin/orders/${orderId}/cancel`))
  }

  /** Adds units of the scarce items, and takes away some of the others. One change after the other: they are absolute. */
  changeStock(random: Random): Promise<void> {
    const sku = random.pick([HOT_SKU, "MUG", "SHIRT-S", "SHIRT-M"])
    const isScarce = sku === HOT_SKU || sku === "MUG"
    const change = Math.ceil(random.between(0, 3)) * (isScarce ? 1 : -1)
    const done = this.#stockEdit.then(() => this.#try("stockChanges", () => this.#setStock(sku, change)))
    this.#stockEdit = done.catch(() => {})
    return done
  }

  async #setStock(sku: string, change: number): Promise<void> {
    const item = this.#item(sku)
    const levels = `/admin/inventory-items/${item}/location-levels`
    const { inventory_levels } = await this.admin.request<{ inventory_levels: Level[] }>("GET", levels)
    const stocked = inventory_levels[0]?.stocked_quantity ?? Number.NaN
    const allowed = this.explained.get(item) ?? []
    if (!allowed.includes(stocked))
      throw new Error(`${stocked} of ${sku} are stocked, not ${allowed.join(" or ")}`)
    this.explained.set(item, [stocked, stocked + change])
    const stocked_quantity = stocked + change
    await this.admin.request("POST", `${levels}/${this.seeded.locationId}`, { stocked_quantity })
    this.explained.set(item, [stocked_quantity])
  }

  async #try(count: "stockChanges" | "refunds" | "cancels", work: () => Promise<unknown>): Promise<void> {
    await this.calm.among(async () => {
      try {
        await work()
        this.counts[count] += 1
      } catch {
        this.counts.failed += 1
      }
    })
  }

  #item(sku: string): string {
    return this.seeded.variants[sku]?.inventoryItemId ?? ""
  }
}
