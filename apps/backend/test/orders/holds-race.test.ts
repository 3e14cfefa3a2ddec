import fc from "fast-check"
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import type { Shop } from "../../launch/shop.ts"
import { AdminClient } from "../../launch/shop-api/admin-client.ts"
import { templateAdmin } from "../../launch/template.ts"
import { isNightly } from "../setup/nightly.ts"
import { closeShops } from "../setup/shop.ts"
import { Buyers } from "./buyers.ts"
import { HOT, StripeShop, times, WEBHOOK_SECRET } from "./stripe-shop.ts"

const ONE = [{ sku: HOT, quantity: 1 }]

const CROWD = isNightly ? 1_000 : 100
const RUNS = isNightly ? 40 : 4

describe("two processes of a shop whose buyers hold what they buy", () => {
  let shop: StripeShop
  let other: Shop
  let buyers: Buyers
  beforeAll(async () => {
    shop = await StripeShop.open({ HOLDFAST_HOLD: JSON.stringify({ perIp: 0, perCustomer: 0 }) })
    other = await shop.another()
    shop.stripe.addWebhookEndpoint({ url: `${other.url}/hooks/stripe`, secret: WEBHOOK_SECRET })
    buyers = new Buyers(shop)
  })
  afterEach(() => buyers.audit(HOT))
  afterAll(async () => {
    await other?.stop()
    await shop?.close()
  })
  afterAll(closeShops)

  const left = async () => {
    const { stocked, reserved } = await shop.stock(HOT)
    return stocked - reserved
  }
  const urlOf = (i: number) => (i % 2 ? other.url : shop.url)

  it(`${CROWD} buyers want to hold 20 units: exactly 20 do, and the others know at once`, async () => {
    await shop.putStock(HOT, 20)
    const carts = await buyers.freshCarts(CROWD, ONE)
    const began = performance.now()
    const answers = await Promise.all(carts.map((cart, i) => buyers.hold(cart, { url: urlOf(i) })))
    const seconds = (performance.now() - began) / 1000
    console.info(`${CROWD} answers in ${seconds.toFixed(1)} s`)
    const statuses = answers.map(({ status }) => status)
    expect(statuses.filter((status) => status === 200)).toHaveLength(20)
    expect(statuses.filter((status) => status === 409)).toHaveLength(CROWD - 20)
    for (const { status, body } of answers) {
      if (status === 409) expect(body.items).toMatchObject([{ wanted: 1, available: 0 }])
    }
    expect(await shop.stock(HOT)).toEqual({ stocked: 20, reserved: 20, reservations: 20, raw: "20/20" })
    expect(seconds).toBeLessThan(CROWD / 10)

    // All of them end at once, and both processes sweep: each unit comes back once.
    await shop.rows(`UPDATE stripe_hold SET kept_until = now()`)
    await shop.until("the sweep", async () => (await left()) === 20 || undefined, 20)
    expect(await shop.count("stripe_hold")).toBe(0)
  }, 300_000)

  it("sweeps of both processes, and requests that need the stock, give back each unit once", async () => {
    await shop.putStock(HOT, 30)
    for (let round = 0; round < 3; round += 1) {
      const carts = await buyers.freshCarts(30, ONE)
      await Promise.all(carts.map((cart, i) => buyers.hold(cart, { url: urlOf(i) })))
      expect(await left()).toBe(0)
      const [half, rest] = [carts.slice(0, 15), carts.slice(15)]
      await shop.rows(`UPDATE stripe_hold SET kept_until = now() WHERE id = ANY($1)`, [half])
      // Those that go on hold again, others want the units, some give theirs back, and both processes sweep.
      await Promise.all([
        ...half.map((cart, i) => buyers.hold(cart, { url: urlOf(i + 1) })),
        ...rest.map((cart, i) =>
          i % 3 === 0
            ? buyers.ask("DELETE", `/store/carts/${cart}/hold`, undefined, { url: urlOf(i) })
            : buyers.hold(cart, { url: urlOf(i) }),
        ),
      ])
      await buyers.audit(HOT)
      await shop.rows(`UPDATE stripe_hold SET kept_until = now()`)
      await shop.until("everything to be back", async () => (await left()) === 30 || undefined, 20)
      await buyers.audit(HOT)
    }
  })

  it("lose no reservation of Medusa's own flows, which write quantities that they read before", async () => {
    await shop.putStock(HOT, 500)
    const carts = await buyers.freshCarts(40, ONE)
    const admin = await AdminClient.login(shop.url, templateAdmin)
    const reservation = {
      inventory_item_id: shop.itemOf(HOT),
      location_id: shop.seeded.locationId,
      quantity: 1,
    }
    await Promise.all([
      ...carts.map(async (cart, i) => {
        await buyers.hold(cart, { url: urlOf(i) })
        if (i % 2) await buyers.ask("DELETE", `/store/carts/${cart}/hold`, undefined, { url: urlOf(i) })
      }),
      ...carts.map(() => admin.request("POST", "/admin/reservations", reservation)),
    ])
    await buyers.audit(HOT)
    expect(await left()).toBe(500 - 20 - 40)
    await shop.rows(`UPDATE stripe_hold SET kept_until = now()`)
  })

  type Way =
    | "hold, paid"
    | "hold, completed by Medusa"
    | "hold, Checkout Session"
    | "paid"
    | "completed by Medusa"
    | "Checkout Session"
    | "admin"
    | "hold"

  const way = fc.constantFrom<Way>(
    "hold, paid",
    "hold, paid",
    "hold, completed by Medusa",
    "hold, completed by Medusa",
    "hold, Checkout Session",
    "paid",
    "completed by Medusa",
    "Checkout Session",
    "admin",
    "hold",
  )

  /** Whether the buyer got the unit; "refused" where it was too late. A held one must get its order. */
  async function go(one: Way, i: number, prepared: Prepared): Promise<"got" | "refused"> {
    const { cartId, intentId } = prepared
    if (one === "admin") {
      const body = {
        inventory_item_id: shop.itemOf(HOT),
        location_id: shop.seeded.locationId,
        quantity: 1,
      }
      return await shop.admin("POST", "/admin/reservations", body).then(
        () => "got",
        () => "refused",
      )
    }
    if (one === "paid") {
      await shop.confirm(intentId)
      return "got"
    }
    if (one === "Checkout Session") {
      prepared.intentId = payIn(prepared)
      return "got"
    }
    if (one === "completed by Medusa") {
      await shop.confirm(intentId)
      return (await buyers.complete(cartId, urlOf(i))).body.type === "order" ? "got" : "refused"
    }
    const { status } = await buyers.hold(cartId, { url: urlOf(i) })
    if (status !== 200) {
      expect(status).toBe(409)
      return "refused"
    }
    if (one === "hold, paid") {
      await shop.confirm(intentId)
      expect(await shop.settled([intentId])).toMatchObject([{ status: "completed" }])
    } else if (one === "hold, completed by Medusa") {
      await shop.confirm(intentId)
      expect((await buyers.complete(cartId, urlOf(i))).body).toMatchObject({ type: "order" })
    } else if (one === "hold, Checkout Session") {
      expect(await shop.settled([payIn(prepared)])).toMatchObject([{ status: "completed" }])
    }
    return "got"
  }

  interface Prepared {
    cartId: string
    /** a Checkout Session has none before it is paid */
    intentId: string
    sessionId?: string
  }

  const payIn = ({ sessionId = "" }: Prepared) =>
    String(shop.stripe.buyer.completeCheckout(sessionId, { email: "ada@shop.example" }).payment_intent)

  async function prepare(one: Way, i: number): Promise<Prepared> {
    if (one === "admin") return { cartId: "", intentId: "" }
    if (one === "hold") return { cartId: await buyers.cart(ONE), intentId: "" }
    if (one === "Checkout Session") return { cartId: "", intentId: "", sessionId: await openSession(120, {}) }
    if (one === "paid")
      return { cartId: "", intentId: await shop.intent({ items: ONE, email: `p${i}@shop.example` }) }
    const bought = await shop.checkout(ONE, { email: `c${i}@shop.example` })
    if (one === "hold, Checkout Session") {
      const { cart } = await shop.store("GET", `/store/carts/${bought.cartId}`)
      const { cartId } = bought
      return { cartId, intentId: "", sessionId: await openSession(cart.total, { cart_id: cartId }) }
    }
    return { cartId: bought.cartId, intentId: bought.intentId }
  }

  /** A Checkout Session of a cart, or of the one lantern. */
  async function openSession(price: number, metadata: Record<string, string>): Promise<string> {
    const product_data = { name: "Lantern", metadata: { sku: HOT } }
    const { id } = await shop.client.checkout.sessions.create({
      mode: "payment",
      line_items: [
        { quantity: 1, price_data: { currency: "usd", unit_amount: Math.round(price * 100), product_data } },
      ],
      success_url: "https://shop.example/thanks",
      metadata,
    })
    return id
  }

  it("races for the last units: never oversold, never refused while there is one, held ones always get theirs", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 4 }),
        fc.array(way, { minLength: 4, maxLength: 7 }),
        async (stock, ways) => {
          await shop.putStock(HOT, 100)
          const prepared: Prepared[] = []
          for (const [i, one] of ways.entries()) prepared.push(await prepare(one, i))
          const medusas = new Set(
            ways.flatMap((one, i) => (one.endsWith("by Medusa") ? [prepared[i]?.intentId] : [])),
          )
          shop.stripe.delivery = { hold: ({ data }) => medusas.has((data.object as { id: string }).id) }
          await shop.putStock(HOT, stock)
          const results = await times(
            ways.length,
            async (i) => await go(ways[i] as Way, i, prepared[i] as Prepared),
          )
          const paid = ways.flatMap((one, i) =>
            one === "paid" || one === "Checkout Session" ? [(prepared[i] as Prepared).intentId] : [],
          )
          const rows = await shop.settled(paid)
          const lost = rows.filter(({ status }) => status !== "completed").length
          const got = results.filter((result) => result === "got").length - lost
          await buyers.audit(HOT)
          expect(got).toBe(Math.min(stock, ways.length))
          expect(await left()).toBe(stock - got)
          await shop.rows(`UPDATE stripe_hold SET kept_until = now()`)
        },
      ),
      { numRuns: RUNS, endOnFailure: true },
    )
    shop.stripe.delivery = {}
  })

  it("a shop that is killed between hold and order gives the unit to its buyer when it is back", async () => {
    await shop.putStock(HOT, 1)
    await other.kill("SIGKILL")
    const rival = await buyers.cart(ONE)
    const { cartId, intentId } = await shop.checkout(ONE)
    expect((await buyers.hold(cartId)).status).toBe(200)
    await shop.kill()
    await shop.confirm(intentId)
    await shop.restart()
    expect((await buyers.hold(rival)).status).toBe(409)
    expect(await shop.settled([intentId])).toMatchObject([{ status: "completed" }])
    expect(await shop.stock(HOT)).toEqual({ stocked: 1, reserved: 1, reservations: 1, raw: "1/1" })
  })
})
