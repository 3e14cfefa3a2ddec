import type Stripe from "stripe"
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import { AdminClient } from "../../launch/shop-api/admin-client.ts"
import { templateAdmin } from "../../launch/template.ts"
import { closeShops } from "../setup/shop.ts"
import { StripeShop, times } from "./stripe-shop.ts"

const MUG = [{ sku: "MUG", quantity: 1 }]
const READ = "GET /v1/payment_intents/pi"
const CAPTURE = "POST /v1/payment_intents/pi/capture"

interface TimelineLine {
  kind: string
  actor: string
  status: string
  text: string
  data: Record<string, string> | null
}

describe("a payment on its way from its events to an order", () => {
  let shop: StripeShop
  let admin: AdminClient
  beforeAll(async () => {
    shop = await StripeShop.open({ HOLDFAST_MAX_ATTEMPTS: "2" })
    admin = await AdminClient.login(shop.url, templateAdmin)
  })
  afterEach(() => {
    shop.stripe.delivery = {}
    shop.stripe.faults.clear()
    shop.stripe.limits = undefined
  })
  afterAll(() => shop?.close())
  afterAll(closeShops)

  const completed = async (intent: string) => {
    const [payment] = await shop.settled([intent])
    expect(payment).toMatchObject({ status: "completed", reason: null })
    return payment
  }
  const timeline = async (intent: string) => {
    const { stripe_payment } = await admin.request<{ stripe_payment: { timeline: TimelineLine[] } }>(
      "GET",
      `/admin/stripe-payments/${intent}`,
    )
    return stripe_payment.timeline
  }
  const search = async (query: Record<string, string>) => {
    const { stripe_payments } = await admin.request<{ stripe_payments: { id: string }[] }>(
      "GET",
      `/admin/stripe-payments?${new URLSearchParams(query)}`,
    )
    return stripe_payments.map(({ id }) => id)
  }

  describe("asks Stripe", () => {
    it("nothing, where a fresh event says it all", async () => {
      const intent = await shop.pay({ items: MUG })
      await completed(intent)
      expect(shop.calls(intent)).toEqual([])
    })

    it("for the capture alone, where the money is only authorized", async () => {
      const intent = await shop.pay({ items: MUG, capture: "manual" })
      await completed(intent)
      expect(shop.calls(intent)).toEqual([CAPTURE])
    })

    it("nothing about a cart's payment either", async () => {
      const { intentId } = await shop.checkout(MUG)
      const before = shop.calls(intentId)
      await shop.confirm(intentId)
      await completed(intentId)
      expect(
        shop
          .calls(intentId)
          .slice(before.length)
          .filter((call) => call === READ),
      ).toEqual([])
    })

    it.each<[string, { created?: number; api_version?: string | null }]>([
      ["came late", { created: -60 }],
      ["is old", { created: -400 }],
      ["is of an API version from before what we know", { api_version: "2020-08-27" }],
      ["is of an API version that is newer than ours", { api_version: "2099-01-01.later" }],
      ["names no API version", { api_version: null }],
    ])("once, where the event %s", async (_, { created = 0, ...more }) => {
      shop.stripe.delivery = {
        rewrite: (event) => ({ ...event, created: event.created + created, ...more }) as Stripe.Event,
      }
      const intent = await shop.pay({ items: MUG })
      await completed(intent)
      expect(shop.calls(intent)).toEqual([READ])
    })

    it("once, where something may have happened to the payment since", async () => {
      shop.stripe.delivery = {
        hold: () => true,
        rewrite: (event) =>
          event.type === "charge.succeeded" ? retyped(event, "charge.refund.updated") : event,
      }
      const intent = await shop.pay({ items: MUG })
      const isPaid = ({ type }: { type: string }) => Number(type === "payment_intent.succeeded")
      await shop.stripe.releaseHeld((events) => events.sort((a, b) => isPaid(a) - isPaid(b)))
      await completed(intent)
      expect(shop.calls(intent)).toEqual([READ])
    })

    it("once, where the order's e-mail address is with the charge", async () => {
      const method = await shop.client.paymentMethods.create({
        type: "card",
        card: { token: "tok_visa" },
        billing_details: { email: "card@shop.example", name: "Ada Lovelace" },
      })
      const { id } = await shop.client.paymentIntents.create({
        amount: 1450,
        currency: "usd",
        metadata: { items: JSON.stringify([{ variant_id: shop.variant("MUG").id, quantity: 1 }]) },
        shipping: { name: "Ada Lovelace", address: { line1: "1 Quay", city: "Bath", country: "US" } },
      })
      await shop.client.paymentIntents.confirm(id, { payment_method: method.id })
      const payment = await completed(id)
      expect(shop.calls(id)).toEqual([READ])
      const { order } = await shop.admin("GET", `/admin/orders/${payment?.order_id}?fields=+email`)
      expect(order.email).toBe("card@shop.example")
    })

    it("again for a while, where it does not know the payment at first; that is no failed attempt", async () => {
      shop.sendOldEvents()
      shop.stripe.faults.next("GET /v1/payment_intents/*", {
        status: 404,
        code: "resource_missing",
        times: 2,
      })
      const intent = await shop.pay({ items: MUG })
      await completed(intent)
      expect(shop.calls(intent)).toEqual([READ, READ, READ])
      expect((await timeline(intent)).filter(({ kind }) => kind === "attempt")).toEqual([])
    })

    it("no more than it allows: 40 authorizations at once in a sandbox, and none counts as a failed attempt", async () => {
      const intents = await times(40, (i) =>
        shop.intent({ items: MUG, capture: "manual", email: `buyer${i}@shop.example` }),
      )
      shop.stripe.limits = "sandbox"
      await Promise.all(intents.map((id) => shop.confirm(id)))
      const rows = await shop.settled(intents)
      expect(rows.filter(({ status, attempts }) => status !== "completed" || attempts > 0)).toEqual([])
      const failed = `stripe_timeline WHERE payment_intent_id = ANY($1) AND kind = 'attempt'`
      expect(await shop.count(failed, [intents])).toBe(0)
      expect(shop.stripe.requests.filter(({ limitedBy }) => limitedBy)).toEqual([])
      const captured = await Promise.all(intents.map((id) => shop.client.paymentIntents.retrieve(id)))
      expect(captured.filter(({ status }) => status !== "succeeded")).toEqual([])
    })
  })

  it("is announced once, though the statement that writes so fails at first", async () => {
    await shop.rows(`
      CREATE SEQUENCE failures;
      CREATE FUNCTION fail_once() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF nextval('failures') = 1 THEN RAISE EXCEPTION 'deadlock detected' USING ERRCODE = 'deadlock_detected'; END IF;
        RETURN NEW; END $$;
      CREATE TRIGGER fail_once BEFORE UPDATE ON stripe_payment FOR EACH ROW
        WHEN (NEW.placed_at IS NOT NULL AND OLD.placed_at IS NULL) EXECUTE FUNCTION fail_once()`)
    const intent = await shop.pay({ items: MUG })
    const payment = await completed(intent)
    await shop.rows(
      "DROP TRIGGER fail_once ON stripe_payment; DROP FUNCTION fail_once; DROP SEQUENCE failures",
    )
    // What is announced after this order has been heard by then.
    const later = await completed(await shop.pay({ items: MUG }))
    await shop.until("the later order", () => shop.announcements(later?.order_id ?? null) || undefined)
    expect(shop.announcements(payment?.order_id ?? null)).toBe(1)
  })

  it("is stored as it was signed and becomes an order, though its texts hold what Postgres can't", async () => {
    const metadata = { items: JSON.stringify([{ variant_id: shop.variant("MUG").id, quantity: 1 }]) }
    const odd = { ...metadata, note: "a\u0000b", "key\ud800": "half \udc00 and \u0000", whole: "\u{1f600}" }
    let sent: unknown
    shop.stripe.delivery = {
      rewrite: (event) => {
        if (event.type !== "payment_intent.succeeded") return event
        const { object } = event.data
        Object.assign(object, {
          metadata: odd,
          shipping: { ...object.shipping, name: "A\u0000da Lovelace\ud800" },
        })
        // All of it but the secret of the buyer's browser.
        sent = {
          ...event,
          data: { ...event.data, object: { ...structuredClone(object), client_secret: null } },
        }
        return event
      },
    }
    const intent = await shop.pay({ items: MUG })
    const payment = await completed(intent)
    await shop.stripe.idle()
    const mine = shop.stripe.deliveries.filter(({ type }) => type === "payment_intent.succeeded").at(-1)
    expect(mine?.status).toBe(200)
    const [event] = await shop.rows(
      "SELECT payload FROM stripe_event WHERE payment_intent_id = $1 AND type = 'payment_intent.succeeded'",
      [intent],
    )
    expect(event?.payload).toMatch(/\\u0000.*\\ud800/)
    expect(JSON.parse(event?.payload as string)).toEqual(sent)
    expect(await shop.payment(intent)).toMatchObject({ name: "A\uFFFDda Lovelace\uFFFD" })
    const { order } = await shop.admin("GET", `/admin/orders/${payment?.order_id}?fields=*shipping_address`)
    expect(order.shipping_address.first_name).toBe("A\uFFFDda")
  })

  it("tells on its timeline what happened, when, by whom, with the ids; a person's retry too", async () => {
    const { user } = await admin.request<{ user: { id: string } }>("GET", "/admin/users/me")
    const fault = shop.stripe.faults.next("POST /v1/payment_intents/*/capture", {
      status: 500,
      times: Number.POSITIVE_INFINITY,
    })
    const intent = await shop.pay({ items: MUG, capture: "manual" })
    const [inReview] = await shop.settled([intent])
    expect(inReview).toMatchObject({ status: "review", attempts: 2 })
    fault.remove()
    await admin.request("POST", `/admin/stripe-payments/${intent}/retry`)
    const { order_id } = (await completed(intent)) ?? {}
    await shop.stripe.idle()
    await shop.until("the capture's events", async () => {
      const events = (await timeline(intent)).filter(({ kind }) => kind === "event")
      return events.length >= 2 || undefined
    })

    const lines = await timeline(intent)
    const of = (kind: string) => lines.filter((line) => line.kind === kind)
    expect(of("event")[0]).toMatchObject({
      actor: "Stripe",
      status: "pending",
      data: { event_id: expect.stringMatching(/^evt_/) },
    })
    expect(of("decision")).toMatchObject([
      { text: "Became an order", data: { order_id } },
      { text: expect.stringContaining("order.placed"), data: { order_id } },
    ])
    expect(of("attempt")).toMatchObject([
      {
        text: expect.stringMatching(/^Attempt 1 failed/),
        data: { request_id: expect.stringMatching(/^req_/) },
      },
      { text: expect.stringMatching(/^Attempt 2 failed/), status: "review" },
    ])
    expect(of("action")).toMatchObject([{ actor: user.id, status: "ordered" }])
    expect(of("stripe_call")).toMatchObject([
      {
        text: "Captured",
        data: {
          order_id,
          request_id: expect.stringMatching(/^req_/),
          idempotency_key: expect.stringContaining(`holdfast-capture-${intent}`),
        },
      },
    ])
  })

  it("is found by its e-mail address, name, charge, order, order number and id", async () => {
    const intent = await shop.pay({ items: MUG, email: "Zoe.Unique_1@shop.example" })
    await shop.pay({ items: MUG, email: "zoeXunique%1@shop.example" })
    const payment = await completed(intent)
    const { order } = await shop.admin("GET", `/admin/orders/${payment?.order_id}?fields=+display_id`)
    const { latest_charge } = await shop.client.paymentIntents.retrieve(intent)
    const finds = ["zoe.unique_1", "ZOE.UNIQUE_1@", `#${order.display_id}`, `${order.display_id}`]
    for (const q of [...finds, latest_charge as string, order.id, intent]) {
      expect(await search({ q })).toEqual([intent])
    }
    expect(await search({ q: "ada love" })).toContain(intent)
    expect(await search({ q: "zoe.unique_1", status: "review" })).toEqual([])
    expect(await search({ q: "unique_1" })).toEqual([])
  })

  it("never loses a retry, whatever is at work on it at that moment", async () => {
    const intents = await times(10, () => shop.pay({ items: MUG, amount: 1449 }))
    await shop.settled(intents)
    const retry = (id: string) =>
      admin.request("POST", `/admin/stripe-payments/${id}/retry`).then(
        () => 1,
        () => 0,
      )
    const accepted = new Map<string, number>()
    for (let round = 0; round < 12; round++) {
      await Promise.all(
        intents.flatMap((id) =>
          times(3, async () => accepted.set(id, (await retry(id)) + (accepted.get(id) ?? 0))),
        ),
      )
    }
    const rows = await shop.settled(intents)
    expect(rows.map(({ status }) => status)).toEqual(intents.map(() => "review"))
    expect(Math.min(...accepted.values())).toBeGreaterThan(0)
    for (const id of intents) {
      const lines = (await timeline(id)).filter(({ kind }) => kind !== "event").map(({ kind }) => kind)
      // Each retry that was taken is followed by a question to Stripe and a decision of its own.
      expect(lines.join(" ")).toMatch(/^decision( action stripe_call decision)+$/)
      expect(lines.filter((kind) => kind === "action")).toHaveLength(accepted.get(id) ?? 0)
    }
  })
})

const retyped = (event: Stripe.Event, type: Stripe.Event.Type) => ({ ...event, type }) as Stripe.Event
