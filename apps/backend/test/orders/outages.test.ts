import { rmSync } from "node:fs"
import { type LocalPostgres, startPostgres } from "@holdfast/postgres-local"
import { type LocalRedis, startRedis } from "@holdfast/redis-local"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { readSeeded } from "../../launch/seeded.ts"
import { copyTemplate, TEMPLATE, templateSettings } from "../../launch/template.ts"
import { closeShops } from "../setup/shop.ts"
import { startWaiting } from "./standstill.ts"
import { StripeShop, times } from "./stripe-shop.ts"

const MUG = [{ sku: "MUG", quantity: 1 }]

describe("a shop whose servers go away and come back", () => {
  let dataDir: string
  let postgres: LocalPostgres
  let redis: LocalRedis
  let shop: StripeShop
  const startDatabase = async (port?: number) => {
    postgres = await startPostgres({ dataDir, port, settings: templateSettings })
  }
  beforeAll(async () => {
    dataDir = await copyTemplate()
    await startDatabase()
    redis = await startRedis()
    const url = postgres.url(TEMPLATE)
    const database = { url, seeded: await readSeeded(url), drop: async () => {} }
    shop = await StripeShop.open({ REDIS_URL: redis.url, HOLDFAST_REDIS_MODULES: "true" }, database)
  })
  afterAll(async () => {
    await shop?.close()
    await redis?.kill()
    await postgres?.stop()
    if (dataDir) rmSync(dataDir, { recursive: true, force: true })
  })
  afterAll(closeShops)

  const payments = (count: number) =>
    times(count, (i) => shop.intent({ items: MUG, capture: i % 2 ? "automatic" : "manual" }))
  const confirm = (intents: string[]) => Promise.all(intents.map((id) => shop.confirm(id)))
  const refusals = () => shop.stripe.deliveries.filter(({ status }) => status !== 200)

  interface Health {
    code: number
    status: string
    reasons: { check: string; says: string }[]
  }
  const health = async (): Promise<Health> => {
    const response = await fetch(`${shop.url}/health/holdfast`)
    return { code: response.status, ...((await response.json()) as Omit<Health, "code">) }
  }
  /** Its health once it says this. */
  const untilHealth = async (code: number, checks: string[]) =>
    await shop.until(`the health to be ${code} with ${checks}`, async () => {
      const now = await health()
      const found = now.reasons.map(({ check }) => check)
      return now.code === code &&
        checks.every((check) => found.includes(check)) &&
        found.length >= checks.length
        ? now
        : undefined
    })
  const untilReady = () =>
    shop.until("the shop to be ready", async () => {
      const now = await health()
      return now.status === "ready" ? now : undefined
    })

  /** Each payment has one order and is captured; what was reserved is what was sold. */
  async function expectAllSold(intents: string[], before: { reserved: number }) {
    const rows = await shop.settled(intents)
    expect(rows.map(({ status }) => status)).toEqual(intents.map(() => "completed"))
    expect(new Set(rows.map(({ order_id }) => order_id)).size).toBe(intents.length)
    const paid = await times(intents.length, (i) => shop.client.paymentIntents.retrieve(intents[i] ?? ""))
    expect(paid.map(({ status }) => status)).toEqual(intents.map(() => "succeeded"))
    expect((await shop.stock("MUG")).reserved).toBe(before.reserved + intents.length)
  }

  it("loses nothing where Postgres is stopped in the middle of a rush, and started again", async () => {
    const before = await shop.stock("MUG")
    const intents = await payments(16)
    await confirm(intents.slice(0, 8))
    await postgres.stop()
    const refused = refusals().length
    await confirm(intents.slice(8))
    await shop.until("webhooks to be refused", () => refusals().length > refused + 4 || undefined)
    expect(await untilHealth(503, ["postgres"])).toMatchObject({ status: "unavailable" })
    const answers = new Set(refusals().map(({ status }) => status))
    expect([...answers].filter((status) => status !== undefined && status < 500)).toEqual([])
    await startDatabase(postgres.port)
    await expectAllSold(intents, before)
    expect(await untilReady()).toEqual({ code: 200, status: "ready", reasons: [] })
  })

  it("says in its health that Stripe does not answer, and nothing of payments or keys", async () => {
    shop.sendOldEvents()
    const fault = shop.stripe.faults.next("GET /v1/payment_intents/*", {
      status: 500,
      times: Number.POSITIVE_INFINITY,
    })
    const intent = await shop.pay({ items: MUG })
    const { status, reasons } = await untilHealth(200, ["stripe"])
    expect(status).toBe("degraded")
    expect(JSON.stringify(reasons)).not.toMatch(/pi_|sk_|whsec/)
    fault.remove()
    shop.stripe.delivery = {}
    await shop.settled([intent])
    await untilReady()
  })

  it("answers a buyer's page that waits while Postgres is started anew", async () => {
    shop.stripe.delivery = { hold: ({ type }) => type === "payment_intent.succeeded" }
    const intent = await shop.pay({ items: MUG })
    const { client_secret } = await shop.client.paymentIntents.retrieve(intent)
    await shop.stripe.idle()
    const { answer } = await startWaiting(shop, () =>
      fetch(`${shop.url}/store/stripe-payments/${intent}?wait=30`, {
        headers: {
          "x-publishable-api-key": shop.seeded.publishableKey,
          "x-stripe-client-secret": client_secret ?? "",
        },
      }),
    )
    await postgres.stop()
    await startDatabase(postgres.port)
    shop.stripe.delivery = {}
    await shop.stripe.releaseHeld()
    expect(await (await answer).json()).toMatchObject({ payment: { status: "ordered" } })
  })

  it("loses nothing where Redis is killed in the middle of a rush, and started again", async () => {
    const before = await shop.stock("MUG")
    const intents = await payments(16)
    await confirm(intents.slice(0, 8))
    await redis.kill()
    await confirm(intents.slice(8))
    await shop.until("all events to be stored", async () => {
      return (await shop.payments(intents)).length === intents.length || undefined
    })
    expect(await untilHealth(200, ["locks"])).toMatchObject({ status: "degraded" })
    await redis.restart()
    await expectAllSold(intents, before)
    await untilReady()
  })

  it("answers 500 while the disk is full, so that Stripe delivers again", async () => {
    const before = await shop.stock("MUG")
    await shop.stripe.idle()
    const refused = refusals().length
    await shop.rows(
      `CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$`,
    )
    await shop.rows("CREATE TRIGGER full_disk BEFORE INSERT ON stripe_event EXECUTE FUNCTION full_disk()")
    const intents = await payments(2)
    await confirm(intents)
    await shop.until("webhooks to be refused", () => refusals().length > refused + 2 || undefined)
    expect(
      new Set(
        refusals()
          .slice(refused)
          .map(({ status }) => status),
      ),
    ).toEqual(new Set([500]))
    expect(await shop.payments(intents)).toEqual([])
    expect(shop.logs).toContain(
      "An event of Stripe could not be stored: could not extend file: No space left on device",
    )
    await shop.rows("DROP TRIGGER full_disk ON stripe_event")
    await expectAllSold(intents, before)
  })
})
