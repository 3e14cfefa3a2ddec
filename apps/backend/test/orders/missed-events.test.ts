import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import type { Shop } from "../../launch/shop.ts"
import { isNightly } from "../setup/nightly.ts"
import { closeShops } from "../setup/shop.ts"
import { StripeShop } from "./stripe-shop.ts"

const MUG = [{ sku: "MUG", quantity: 1 }]

describe("events that Stripe made and did not deliver", () => {
  let shop: StripeShop
  let other: Shop | undefined
  beforeAll(async () => {
    shop = await StripeShop.open({ HOLDFAST_FETCH_EVENTS_EVERY: "300" })
    shop.stripe.delivery = { hold: () => true }
    // The first start's cursor: what is made from now on is fetched.
    await shop.until("the first look", async () => (await shop.count("stripe_cursor")) > 0 || undefined)
  })
  afterEach(() => shop.stripe.faults.clear())
  afterAll(async () => {
    await other?.stop()
    await shop?.close()
  })
  afterAll(closeShops)

  const looks = () =>
    shop.stripe.requests.filter(
      ({ method, path, driver }) => `${method} ${path}` === "GET /v1/events" && !driver,
    )
  const linesOf = async (intent: string) =>
    await shop.rows<{ kind: string; actor: string; text: string }>(
      "SELECT kind, actor, text FROM stripe_timeline WHERE payment_intent_id = $1 ORDER BY id",
      [intent],
    )
  const eventsOf = async (intent: string) =>
    await shop.rows<{ id: string; type: string; deliveries: number }>(
      "SELECT id, type, deliveries FROM stripe_event WHERE payment_intent_id = $1 ORDER BY id",
      [intent],
    )

  it("are fetched on start, said so on the timeline, and are no deliveries", async () => {
    await shop.kill()
    const intent = await shop.pay({ items: MUG, capture: "manual" })
    await shop.restart()
    expect(await shop.settled([intent])).toMatchObject([{ status: "completed" }])

    const events = await eventsOf(intent)
    expect(events).toMatchObject([{ type: "payment_intent.amount_capturable_updated", deliveries: 0 }])
    const [first] = await linesOf(intent)
    expect(first).toEqual({
      kind: "event",
      actor: "Stripe",
      text: "Fetched from Stripe, which had not delivered it: payment_intent.amount_capturable_updated",
    })
    expect(shop.logs).toMatch(/Stripe payments: \d+ events that Stripe had not delivered were fetched/)

    // Stripe delivers it after all.
    const lines = await linesOf(intent)
    await shop.stripe.deliver(events[0]?.id ?? "")
    expect(await eventsOf(intent)).toMatchObject([{ deliveries: 1 }])
    expect(await linesOf(intent)).toEqual(lines)
  })

  it("are fetched by the one process that decides, and neither stored nor counted again", async () => {
    const looked = looks().length
    const stored = () =>
      shop.rows("SELECT id, deliveries, created_at FROM stripe_event ORDER BY created_at, id")
    const before = await stored()
    other = await shop.another()
    const workers = "stripe_lease WHERE id LIKE 'worker:%' AND expires_at > clock_timestamp()"
    await shop.until("the second to live", async () => (await shop.count(workers)) > 1 || undefined)
    const intent = await shop.pay({ items: MUG })
    expect(looks()).toHaveLength(looked)

    await shop.kill()
    expect(await shop.settled([intent])).toMatchObject([{ status: "completed" }])
    expect(looks()).toHaveLength(looked + 1)
    expect((await stored()).slice(0, before.length)).toEqual(before)
    await other.stop()
    other = undefined
  })

  it("are fetched by schedule, page by page, the oldest first", async () => {
    // Of a payment that says nothing of its content, Stripe is not asked anything else.
    const silent = { items: MUG, metadata: { from: "elsewhere" } }
    const intents: string[] = []
    for (let i = 0; i < (isNightly ? 230 : 120); i++) intents.push(await shop.pay(silent))
    await shop.restart({ HOLDFAST_FETCH_EVENTS_EVERY: "1" })
    await shop.settled(intents)
    const arrived = await shop.rows<{ id: string }>(
      "SELECT id FROM stripe_payment WHERE id = ANY($1) ORDER BY arrival",
      [intents],
    )
    expect(arrived.map(({ id }) => id)).toEqual(intents)

    const later = await shop.pay({ items: MUG })
    expect(await shop.settled([later])).toMatchObject([{ status: "completed" }])
  })

  it("delay no payment while Stripe does not answer", async () => {
    const held = shop.stripe.faults.next("GET /v1/events", { hang: "before" })
    await held.reached
    shop.stripe.delivery = {}
    const delivered = await shop.pay({ items: MUG, capture: "manual" })
    expect(await shop.settled([delivered])).toMatchObject([{ status: "completed" }])
    shop.stripe.delivery = { hold: () => true }
    const missed = await shop.pay({ items: MUG })
    held.release()
    expect(await shop.settled([missed])).toMatchObject([{ status: "completed" }])
  })

  it("are fetched when Stripe works again, and a failure is said once", async () => {
    const said = () => shop.logs.split("Fetching events that Stripe did not deliver: failed").length - 1
    const before = said()
    const fault = shop.stripe.faults.next("GET /v1/events", { status: 503, times: Number.POSITIVE_INFINITY })
    const missed = await shop.pay({ items: MUG })
    // Each look is tried three times by the client.
    await shop.until("three looks to fail", () => fault.hits >= 9 || undefined)
    expect(said()).toBe(before + 1)
    expect(await shop.payments([missed])).toEqual([])
    fault.remove()
    expect(await shop.settled([missed])).toMatchObject([{ status: "completed" }])
    expect(shop.logs).toContain("Fetching events that Stripe did not deliver: works again")
  })

  it("of before the plugin's first start are left alone", async () => {
    await shop.kill()
    const before = await shop.pay({ items: MUG })
    await shop.rows("TRUNCATE stripe_event, stripe_cursor")
    // The first start is in a later second.
    const second = Math.floor(Date.now() / 1000)
    await shop.until("the next second", () => Math.floor(Date.now() / 1000) > second || undefined)
    const looked = looks().length
    await shop.restart()
    await shop.until("two looks", () => looks().length > looked + 1 || undefined)
    const after = await shop.pay({ items: MUG })
    expect(await shop.settled([after])).toMatchObject([{ status: "completed" }])
    expect(await shop.payments([before])).toEqual([])
  })
})
