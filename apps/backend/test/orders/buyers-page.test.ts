import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import type { Shop } from "../../launch/shop.ts"
import { closeShops } from "../setup/shop.ts"
import { holdDeciding, startWaiting } from "./standstill.ts"
import { HOT, StripeShop, times } from "./stripe-shop.ts"

const MUG = [{ sku: "MUG", quantity: 1 }]
const LANTERN = [{ sku: HOT, quantity: 1 }]

interface Answer {
  url: string
  status: number
  headers: Headers
  // biome-ignore lint/suspicious/noExplicitAny: answers are read, not built upon
  body: any
}

describe("the buyer's page", () => {
  let shop: StripeShop
  beforeAll(async () => {
    shop = await StripeShop.open({ HOLDFAST_MAX_ATTEMPTS: "1" })
  })
  afterAll(() => shop?.close())
  afterAll(closeShops)
  afterEach(() => {
    shop.stripe.delivery = {}
  })

  const secretOf = async (id: string) =>
    (await shop.client.paymentIntents.retrieve(id)).client_secret as string
  const ask = async (
    id: string,
    { query = "", headers = {}, at = shop.url }: { query?: string; headers?: object; at?: string } = {},
  ): Promise<Answer> => {
    const response = await fetch(`${at}/store/stripe-payments/${id}${query}`, {
      headers: { "x-publishable-api-key": shop.seeded.publishableKey, ...headers },
    })
    const { url, status, headers: told } = response
    return { url, status, headers: told, body: await response.json() }
  }
  const proof = async (id: string) => ({ "x-stripe-client-secret": await secretOf(id) })
  const asBuyer = async (id: string, query = "", at = shop.url) =>
    ask(id, { query, at, headers: await proof(id) })
  const hold = () => {
    shop.stripe.delivery = { hold: () => true }
  }
  /** Of what was held, only what makes orders is delivered. */
  const makesOrders = /^payment_intent\.(succeeded|amount_capturable_updated)$/
  const release = async () => {
    shop.stripe.delivery = {}
    await shop.stripe.releaseHeld((held) => held.filter(({ type }) => makesOrders.test(type)))
  }
  describe("tells what became of the payment", () => {
    it("ordered, with the order's number and nothing personal", async () => {
      const intent = await shop.pay({ items: MUG, email: "ada@shop.example" })
      const [row] = await shop.settled([intent])
      const { status, headers, body } = await asBuyer(intent)
      const [order] = await shop.rows(`SELECT id, display_id FROM "order" WHERE id = $1`, [row?.order_id])
      expect(status).toBe(200)
      expect(body).toEqual({
        payment: { id: intent, status: "ordered", order, message: "Your order is placed." },
      })
      expect(headers.get("cache-control")).toBe("no-store")
    })

    it.each([
      ["automatic", "refunded", "What you chose is sold out. You were refunded."],
      [
        "manual",
        "canceled",
        "What you chose is sold out. You were not charged: the amount is no longer held.",
      ],
    ] as const)("sold out, of a payment with %s capture", async (capture, state, message) => {
      await shop.putStock(HOT, 0)
      const intent = await shop.pay({ items: LANTERN, capture })
      expect(await shop.settled([intent])).toMatchObject([{ status: state }])
      const { body } = await asBuyer(intent)
      expect(body).toEqual({ payment: { id: intent, status: "sold_out", order: null, message } })
    })

    it("review, without a reason of ours", async () => {
      const intent = await shop.pay({ items: MUG, amount: 1 })
      expect(await shop.settled([intent])).toMatchObject([{ status: "review" }])
      const { body } = await asBuyer(intent)
      expect(body.payment).toMatchObject({ status: "review", order: null })
      expect(JSON.stringify(body)).not.toMatch(/paid|USD/)
    })

    it("refunded, of an order that the shop canceled", async () => {
      const intent = await shop.pay({ items: MUG })
      const [row] = await shop.settled([intent])
      await shop.admin("POST", `/admin/orders/${row?.order_id}/cancel`)
      await shop.until("the money to be back", async () =>
        (await shop.payment(intent)).status === "refunded" ? true : undefined,
      )
      const { body } = await asBuyer(intent)
      expect(body.payment).toMatchObject({
        status: "refunded",
        message: "The order was canceled. You were refunded.",
      })
    })

    it("void, of one that was canceled before there was an order", async () => {
      const thaw = await holdDeciding(shop)
      const intent = await shop.pay({ items: MUG, capture: "manual" })
      await shop.client.paymentIntents.cancel(intent)
      await shop.stripe.idle()
      expect((await asBuyer(intent)).body.payment).toMatchObject({ status: "settling", order: null })
      await thaw()
      expect(await shop.settled([intent])).toMatchObject([{ status: "void" }])
      expect((await asBuyer(intent)).body.payment.status).toBe("void")
    })
  })

  describe("asks for the payment's client secret", () => {
    let intent: string
    beforeAll(async () => {
      intent = await shop.pay({ items: MUG })
      await shop.settled([intent])
    })

    it("in the header, or in the query as Stripe's return URL has it", async () => {
      const secret = await secretOf(intent)
      const answers = [
        await ask(intent, { headers: { "x-stripe-client-secret": secret } }),
        await ask(intent, { query: `?client_secret=${secret}` }),
        await ask(intent, {
          query: `?payment_intent=${intent}&payment_intent_client_secret=${secret}&redirect_status=succeeded`,
        }),
      ]
      expect(answers.map(({ body }) => body.payment.status)).toEqual(["ordered", "ordered", "ordered"])
    })

    it.each([
      ["missing", (_: string) => "", 401],
      ["empty", () => "?client_secret=", 401],
      ["another payment's", () => "?client_secret=pi_other_secret_abc", 400],
      ["given twice", (id: string) => `?client_secret=${id}_secret_a&client_secret=${id}_secret_b`, 400],
      ["an object", (id: string) => `?client_secret[a]=${id}_secret_a`, 400],
      ["a NUL", (id: string) => `?client_secret=${id}_secret_%00`, 400],
      ["wrong", (id: string) => `?client_secret=${id}_secret_wrong`, 404],
    ])(
      "that is %s is refused, the same where there is such a payment and where not",
      async (_, query, code) => {
        const unknown = "pi_that_is_nowhere"
        const [known, none] = [
          await ask(intent, { query: query(intent) }),
          await ask(unknown, { query: query(unknown) }),
        ]
        expect(known.status).toBe(code)
        const told = (answer: Answer, id: string) => JSON.stringify(answer.body).replaceAll(id, "pi")
        expect(told(known, intent)).toBe(told(none, unknown))
        expect(none.status).toBe(code)
      },
    )

    it("a wrong one waits like a payment that is still to come", async () => {
      const wrong = ask(intent, { query: `?wait=3&client_secret=${intent}_secret_wrong` })
      const none = ask("pi_none", { query: "?wait=1&client_secret=pi_none_secret_wrong" })
      expect((await Promise.race([wrong, none])).url).toContain("pi_none")
      const answers = await Promise.all([wrong, none])
      expect(answers.map(({ status }) => status)).toEqual([404, 404])
      expect(answers[0]?.body).toEqual(answers[1]?.body)
    })

    it.each(["pi_/x", "ch_1", "pi_a%00", `pi_${"a".repeat(300)}`])("%s is no payment intent", async (id) => {
      const { status } = await ask(encodeURIComponent(decodeURIComponent(id)), {
        query: "?client_secret=pi_a_secret_b",
      })
      expect(status).toBe(400)
    })

    it.each(["31", "-1", "1.5", "soon", "1e1", "999"])("wait=%s is refused", async (wait) => {
      expect((await asBuyer(intent, `?wait=${wait}`)).status).toBe(400)
    })

    it("and for the storefront's publishable key", async () => {
      const { status } = await ask(intent, {
        headers: { ...(await proof(intent)), "x-publishable-api-key": "pk_wrong" },
      })
      expect(status).toBe(400)
    })

    it("keeps the secret in no row of ours, and in no log", async () => {
      const secret = await secretOf(intent)
      await ask(intent, {
        query: `?client_secret=${secret}`,
        headers: { referer: `https://shop/x?payment_intent_client_secret=${secret}` },
      })
      await shop.until(
        "the request to be logged",
        () => shop.logs.includes(`/store/stripe-payments/${intent}?client_secret=hidden`) || undefined,
      )
      expect(shop.logs).not.toContain(secret)
      for (const table of ["stripe_payment", "stripe_event", "stripe_timeline"]) {
        expect(await shop.count(`${table} AS row WHERE row::text LIKE '%\\_secret\\_%'`)).toBe(0)
      }
    })

    it("a storefront in another origin may send the header, as Medusa lets it", async () => {
      const origin = "http://localhost:8000"
      const preflight = await fetch(`${shop.url}/store/stripe-payments/${intent}`, {
        method: "OPTIONS",
        headers: {
          origin,
          "access-control-request-method": "GET",
          "access-control-request-headers": "x-publishable-api-key,x-stripe-client-secret",
        },
      })
      expect(preflight.headers.get("access-control-allow-origin")).toBe(origin)
      expect(preflight.headers.get("access-control-allow-headers")).toContain("x-stripe-client-secret")
      const { headers } = await ask(intent, { headers: { ...(await proof(intent)), origin } })
      expect(headers.get("access-control-allow-origin")).toBe(origin)
    })
  })

  describe("a request that waits", () => {
    it("is answered at once where something has become of the payment", async () => {
      const intent = await shop.pay({ items: MUG })
      await shop.settled([intent])
      expect((await asBuyer(intent, "?wait=30")).body.payment.status).toBe("ordered")
    })

    // The page looks by itself every ten seconds, and does not look again when the time is up: an answer within nine
    // seconds that is not "settling" was pushed.
    it("is told of the outcome when it is written, though the payment's row was not there before", async () => {
      hold()
      const intent = await shop.pay({ items: MUG })
      const headers = await proof(intent)
      const { answer } = await startWaiting(shop, () => ask(intent, { query: "?wait=9", headers }))
      expect(await shop.payments([intent])).toEqual([])
      await release()
      expect((await answer).body.payment).toMatchObject({
        status: "ordered",
        order: { id: expect.any(String) },
      })
    })

    it("is told of a sold-out payment as soon as that is decided", async () => {
      await shop.putStock(HOT, 0)
      const thaw = await holdDeciding(shop)
      const intent = await shop.pay({ items: LANTERN })
      await shop.stripe.idle()
      const headers = await proof(intent)
      const { answer } = await startWaiting(shop, () => ask(intent, { query: "?wait=9", headers }))
      await thaw()
      expect((await answer).body.payment).toMatchObject({ status: "sold_out", order: null })
    })

    it("is answered with how it stands when the time is up", async () => {
      const thaw = await holdDeciding(shop)
      const intent = await shop.pay({ items: MUG })
      await shop.stripe.idle()
      const { status, body } = await asBuyer(intent, "?wait=1")
      expect(status).toBe(200)
      expect(body.payment).toMatchObject({ status: "settling", order: null })
      await thaw()
      await shop.settled([intent])
    })

    it("300 at once, in a sale of 280 lanterns, are all told how it ended", async () => {
      await shop.putStock(HOT, 280)
      shop.stripe.delivery = { hold: ({ type }) => !makesOrders.test(type) }
      const thaw = await holdDeciding(shop)
      const intents = await times(300, () => shop.pay({ items: LANTERN, capture: "manual" }))
      await shop.stripe.idle()
      const secrets = await times(300, (i) => proof(intents[i] ?? ""))
      // As a storefront does: where its wait is over, it asks again.
      const untilTold = async (id: string, headers: object): Promise<Answer> => {
        const answer = await ask(id, { query: "?wait=30", headers })
        return answer.body.payment?.status === "settling" ? await untilTold(id, headers) : answer
      }
      const answers = intents.map((id, i) => untilTold(id, secrets[i] ?? {}))
      // A request that comes after all of them is answered after they were received.
      await asBuyer(intents[0] ?? "")
      await thaw()
      const told = await Promise.all(answers)
      expect(told.map(({ status }) => status)).toEqual(told.map(() => 200))
      const by = (status: string) => told.filter(({ body }) => body.payment.status === status)
      expect([by("ordered").length, by("sold_out").length]).toEqual([280, 20])
      const numbers = by("ordered").map(({ body }) => body.payment.order.display_id)
      expect(new Set(numbers).size).toBe(280)
      await shop.stripe.releaseHeld(() => [])
    })

    it("is refused with a time to come back where too many wait, until their callers go away", async () => {
      const strangers = new AbortController()
      const stranger = (id: string, wait: number, signal?: AbortSignal) =>
        fetch(`${shop.url}/store/stripe-payments/${id}?wait=${wait}&client_secret=${id}_secret_x`, {
          signal,
          headers: { "x-publishable-api-key": shop.seeded.publishableKey },
        })
      const waiting = times(510, (i) => stranger(`pi_${i}`, 30, strangers.signal).catch(() => undefined))
      const refused = await shop.until("a stranger to be refused", async () => {
        const response = await stranger("pi_late", 1)
        return response.status === 503 ? response : undefined
      })
      expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0)

      // A buyer whose payment is known is held all the same.
      const thaw = await holdDeciding(shop)
      const intent = await shop.pay({ items: MUG })
      await shop.stripe.idle()
      const headers = await proof(intent)
      const { answer } = await startWaiting(shop, () => ask(intent, { query: "?wait=9", headers }))
      await thaw()
      expect((await answer).body.payment.status).toBe("ordered")

      strangers.abort()
      await waiting
      // Sooner than their own time is up.
      const isHeld = async () => ((await stranger("pi_late", 1)).status === 404 ? true : undefined)
      await shop.until("a stranger to be held", isHeld, 10)
    })
  })

  describe("with processes of its own for requests and for work", () => {
    let server: Shop
    beforeAll(async () => {
      server = await shop.another({ MEDUSA_WORKER_MODE: "server" })
    })
    afterAll(() => server?.kill("SIGKILL"))

    it("a request to the server is told of what a worker wrote", async () => {
      hold()
      const intent = await shop.pay({ items: MUG })
      const headers = await proof(intent)
      const { answer } = await startWaiting(shop, () =>
        ask(intent, { query: "?wait=9", headers, at: server.url }),
      )
      await release()
      expect((await answer).body.payment.status).toBe("ordered")
    })

    it("a process that is asked to stop answers those that wait, and ends", async () => {
      const thaw = await holdDeciding(shop)
      const intent = await shop.pay({ items: MUG })
      await shop.stripe.idle()
      const headers = await proof(intent)
      const query = "?wait=30&client_secret=pi_none_secret_x"
      const known = await startWaiting(shop, () =>
        ask(intent, { query: "?wait=30", headers, at: server.url }),
      )
      const unknown = await startWaiting(shop, () => ask("pi_none", { query, at: server.url }))
      const stopped = server.kill("SIGTERM")
      expect((await known.answer).body.payment.status).toBe("settling")
      expect((await unknown.answer).status).toBe(503)
      await stopped
      await thaw()
      await shop.settled([intent])
    })
  })
})
