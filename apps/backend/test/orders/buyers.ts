import { expect } from "vitest"
import { addressIn, type Line } from "../../launch/shop-api/store-client.ts"
import type { StripeShop } from "./stripe-shop.ts"

export interface Answer {
  status: number
  // biome-ignore lint/suspicious/noExplicitAny: answers are read, not built upon
  body: any
}

/** Buyers of a shop who hold what they buy. */
export class Buyers {
  readonly #shop: StripeShop

  constructor(shop: StripeShop) {
    this.#shop = shop
  }

  /** A request of the storefront; an error status is an answer too. */
  async ask(
    method: string,
    path: string,
    body?: unknown,
    { url = this.#shop.url, from }: { url?: string; from?: string } = {},
  ): Promise<Answer> {
    const headers: Record<string, string> = {
      "content-type": "application/json",
      "x-publishable-api-key": this.#shop.seeded.publishableKey,
    }
    if (from) headers["x-forwarded-for"] = from
    const response = await fetch(`${url}${path}`, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
    })
    return { status: response.status, body: await response.json() }
  }

  hold(cart: string, more: { url?: string; from?: string } = {}): Promise<Answer> {
    return this.ask("POST", `/store/carts/${cart}/hold`, undefined, more)
  }

  /** A cart without an address: enough to hold. */
  async cart(lines: Line[], email?: string): Promise<string> {
    const items = lines.map(({ sku, quantity }) => ({ variant_id: this.#shop.variant(sku).id, quantity }))
    const region_id = this.#shop.seeded.regions.usd?.id
    const { body } = await this.ask("POST", "/store/carts", {
      region_id,
      items,
      email,
      shipping_address: addressIn("us"),
    })
    return body.cart.id
  }

  /** Many copies of a cart, written into the database: the storefront would take 50 ms for each. */
  async freshCarts(count: number, lines: Line[]): Promise<string[]> {
    const model = await this.cart(lines)
    const id = `'${model}_' || n`
    await this.#copy("cart", "id", id, "id = $1", [model, count])
    await this.#copy("cart_line_item", "id", `t.id || n`, "cart_id = $1", [model, count], { cart_id: id })
    return Array.from({ length: count }, (_, n) => `${model}_${n + 1}`)
  }

  async #copy(
    table: string,
    key: string,
    id: string,
    where: string,
    values: unknown[],
    more: Record<string, string> = {},
  ) {
    const columns = await this.#shop.rows<{ name: string }>(
      `SELECT column_name AS name FROM information_schema.columns WHERE table_name = $1`,
      [table],
    )
    const names = columns.map(({ name }) => name).filter((name) => !name.endsWith("_address_id"))
    const written = names.map((name) => (name === key ? id : (more[name] ?? `t.${name}`)))
    await this.#shop.rows(
      `INSERT INTO ${table} (${names.join(", ")})
       SELECT ${written.join(", ")} FROM ${table} AS t, generate_series(1, $2::int) AS n WHERE t.${where}`,
      values,
    )
  }

  /** A buyer at the point of paying, who holds the cart. */
  async heldCheckout(lines: Line[]) {
    const checkout = await this.#shop.checkout(lines)
    expect((await this.hold(checkout.cartId)).status).toBe(200)
    return checkout
  }

  /** What others can buy. */
  async left(sku: string): Promise<number> {
    const { stocked, reserved } = await this.#shop.stock(sku)
    return stocked - reserved
  }

  async leftIs(sku: string, units: number): Promise<void> {
    const isLeft = async () => (await this.left(sku)) === units || undefined
    await this.#shop.until(`${units} units to be free`, isLeft, 15)
  }

  /** No worker decides about payments until the returned function is called. */
  async holdDecisions(): Promise<() => Promise<void>> {
    await this.#shop.rows(
      `UPDATE stripe_lease SET holder = 'a test', expires_at = now() + interval '1 hour' WHERE id = 'decide'`,
    )
    return async () => void (await this.#shop.rows(`DELETE FROM stripe_lease WHERE holder = 'a test'`))
  }

  async complete(cart: string, url?: string): Promise<Answer> {
    return await this.ask("POST", `/store/carts/${cart}/complete`, undefined, { url })
  }

  /** The cart's hold as it is stored. */
  async stored(cart: string) {
    const [row] = await this.#shop.rows<{ reservation_ids: string[]; expires_at: Date; kept_until: Date }>(
      `SELECT * FROM stripe_hold WHERE id = $1`,
      [cart],
    )
    return row
  }

  /** As if this many seconds had passed since the hold was last renewed. */
  async passTime(seconds: number, cart: string): Promise<void> {
    await this.#shop.rows(
      `UPDATE stripe_hold SET expires_at = expires_at - $2 * interval '1 second',
              kept_until = kept_until - $2 * interval '1 second', held_since = held_since - $2 * interval '1 second'
        WHERE id = $1`,
      [cart, seconds],
    )
  }

  /** The sums agree at all times: no unit is promised twice, and what is reserved is the sum of the reservations. */
  async audit(sku: string): Promise<void> {
    const [level] = await this.#shop.rows(
      `SELECT stocked_quantity >= reserved_quantity AS "not oversold",
              reserved_quantity = (SELECT COALESCE(sum(r.quantity), 0) FROM reservation_item AS r
                WHERE r.inventory_item_id = l.inventory_item_id AND r.location_id = l.location_id AND r.deleted_at IS NULL)
                AS "reserved is the sum of the reservations",
              reserved_quantity = (raw_reserved_quantity->>'value')::numeric
                AND stocked_quantity = (raw_stocked_quantity->>'value')::numeric AS "both columns agree"
         FROM inventory_level AS l WHERE inventory_item_id = $1`,
      [this.#shop.itemOf(sku)],
    )
    expect(level).toEqual({
      "not oversold": true,
      "reserved is the sum of the reservations": true,
      "both columns agree": true,
    })
  }
}
